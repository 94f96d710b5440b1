from __future__ import annotations

import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infernet.compute.frames import FrameBuffer, Kind, decode_error, encode_error, encode_frame, read_frame
from infernet.errors import InvalidInput, JobRejected, NodeMisconfigured, RetryLater

frames = st.lists(st.tuples(st.sampled_from(Kind), st.binary(max_size=50)), max_size=5)


@settings(deadline=None)
@given(frames, st.integers(1, 20))
def test_frames_survive_any_cutting_of_the_stream(sent: list[tuple[Kind, bytes]], size: int) -> None:
    stream = b"".join(encode_frame(kind, payload) for kind, payload in sent)
    buffer = FrameBuffer()
    pieces = (stream[i : i + size] for i in range(0, len(stream), size))
    assert [frame for piece in pieces for frame in buffer.feed(piece)] == sent


@settings(deadline=None)
@given(frames)
def test_frames_are_read_one_by_one_until_the_end(sent: list[tuple[Kind, bytes]]) -> None:
    stream = io.BytesIO(b"".join(encode_frame(kind, payload) for kind, payload in sent))
    assert [read_frame(stream) for _ in sent] == sent
    assert read_frame(stream) is None


def test_a_frame_that_is_cut_off_is_the_end() -> None:
    assert read_frame(io.BytesIO(encode_frame(Kind.RUN, b"features")[:-1])) is None


@pytest.mark.parametrize("error_type", [JobRejected, RetryLater, NodeMisconfigured, InvalidInput])
def test_errors_keep_class_code_and_message(error_type: type) -> None:
    buffer = FrameBuffer()
    [(kind, payload)] = buffer.feed(encode_error(error_type("some.code", "what to do, é")))
    error = decode_error(payload)
    assert kind is Kind.ERROR
    assert type(error) is error_type
    assert (error.code, error.message) == ("some.code", "what to do, é")
