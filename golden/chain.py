"""The timing contract of a chain: engines of which each sends its beats to the next one.

The output of an engine goes straight into the skid buffer of the next, so that a beat is emitted in
the cycle in which it is accepted there. The models of `golden.timing` are run together: one that
needs a beat runs the one in front of it until that has made the beat.
"""

from dataclasses import dataclass

import numpy as np

from golden.timing import QUEUE, EngineParameters, Input, Model, Output, Shape, Timing, sender

__all__ = ["Stage", "simulate_chain"]


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One engine of a chain: the arguments that `golden.timing.simulate` has for it alone."""

    spec: dict
    engine: EngineParameters
    frames: list
    weight: np.ndarray | None = None


def simulate_chain(stages, *, gaps=None, ready=None, start=0):
    """Predict the cycle of every handshake at both ends of a chain.

    Parameters
    ----------
    stages : sequence of Stage
        In the order that data flows; each but the last with one pixel a cycle.
    gaps, ready, start
        As in `golden.timing.simulate`.

    Returns
    -------
    golden.timing.Timing
    """
    offered, links, inputs = sender(gaps), [], []
    for stage in stages:
        shape = Shape(stage.spec, stage.engine)
        inputs.append(Input(shape, offered, start))
        if links:
            links[-1].emitted = inputs[-1].accepted
        output = Output(shape, ready, start)
        if stage is not stages[-1]:
            links.append(output := _Link(shape, start))
        model = Model(shape, inputs[-1], output, start)
        work = _frames(model, stage)
        offered = _made(work, output)
    for _ in work:
        pass
    return Timing(np.array(inputs[0].accepted), np.array(output.emitted))


def _frames(model, stage):
    for frame in stage.frames:
        yield from model.run(frame, stage.weight)


class _Link(Output):
    """An output side whose beats leave when the next engine accepts them."""

    def __init__(self, shape, start):
        super().__init__(shape, None, start)
        self.queued = []

    def _emit(self, queued):
        self.queued.append(queued)


def _made(work, link):
    """When beat n is offered to the next engine, beat n - 1 having been accepted in `last`."""
    def offered(n, last):
        while len(link.queued) <= n:
            next(work)
        return max(link.queued[n] + QUEUE, last + 1)
    return offered
