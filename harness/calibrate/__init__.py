"""From what was recorded to a profile: recording, reading recordings, fitting, and checking."""

from harness.calibrate.recorder import Recorder
from harness.calibrate.samples import BadRecording
from harness.calibrate.transport import RecordingTransport

__all__ = ["BadRecording", "Recorder", "RecordingTransport"]
