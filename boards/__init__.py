"""Bitstreams for boards, and the host that sends pictures to them."""
