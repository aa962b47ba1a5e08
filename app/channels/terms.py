"""The channels, what goes out by them, and why a person is told. Pure."""

from enum import StrEnum


class Channel(StrEnum):
    """A way out of the service that is tried until it takes a message. The inbox and the stream are read instead."""

    MAIL = "mail"
    WEBHOOK = "webhook"


class Message(StrEnum):
    """What is sent."""

    ALERT = "alert"
    DIGEST = "digest"
    PING = "ping"
    GLASS = "glass"


class ToldBecause(StrEnum):
    """Why an alert reached this person: the first two are the plain course, the others say why it was re-routed."""

    HOLDER = "holder"
    LEVEL = "level"
    NOT_HELD = "not_held"
    HOLDER_ABSENT = "holder_absent"
    HOLDER_LEFT = "holder_left"
    LEVEL_ABSENT = "level_absent"
