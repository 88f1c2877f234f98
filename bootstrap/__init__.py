"""bootstrap: an ML course's working ground on AWS, up with one command and gone with one."""

__version__ = "0.1.0"
