"""Every error Jetbridge raises on purpose, by what the caller has to do about it.

JetbridgeError
├── ConfigurationError            refuse to start; alarm at once
├── InvalidRequestError           the caller sent something we will never accept
│   ├── SignatureError            nobody we know signed it (an unknown store looks just the same)
│   ├── MalformedRequestError     signed, but not what the vendor documents
│   ├── ForeignAddressError       an address in it is not the partner's own: nothing was sent there
│   ├── NotFoundError             what it names is not there
│   └── RequestTooLargeError
├── PermanentError                repeating cannot help; record it, tell a person
│   ├── CredentialsRejectedError
│   ├── RejectedByPartnerError    carries the partner's own words
│   │   └── DuplicateReferenceError
│   └── UnexpectedAnswerError     the partner said something nobody understands; never taken for success
├── TransientError                nothing was done; try again later (`retry_after_seconds` when known)
│   ├── RateLimitedError
│   └── PartnerUnavailableError
├── OutcomeUnknownError           a write may or may not have happened: look before sending again
└── ConflictError                 somebody else wrote the record first; read it again

Attributes are the evidence (`partner`, `http_status`, `code`); bodies and headers never are, for they hold
personal data. What a partner says in words is kept only where it cannot name a person.
"""

from __future__ import annotations

__all__ = [
    "ConfigurationError",
    "ConflictError",
    "CredentialsRejectedError",
    "DuplicateReferenceError",
    "ForeignAddressError",
    "InvalidRequestError",
    "JetbridgeError",
    "MalformedRequestError",
    "NotFoundError",
    "OutcomeUnknownError",
    "PartnerError",
    "PartnerUnavailableError",
    "PermanentError",
    "RateLimitedError",
    "RejectedByPartnerError",
    "RequestTooLargeError",
    "SignatureError",
    "TransientError",
    "UnexpectedAnswerError",
]


class JetbridgeError(Exception):
    """Root of the tree: nothing raises it directly."""


class ConfigurationError(JetbridgeError):
    """A setting is missing or cannot be used."""


class InvalidRequestError(JetbridgeError):
    """A request to us that no repetition will make acceptable."""


class SignatureError(InvalidRequestError):
    """The request is not signed with a secret of a store we know."""


class MalformedRequestError(InvalidRequestError):
    """The request is signed but its body is not what the vendor documents."""


class ForeignAddressError(InvalidRequestError):
    """An address somebody sent us is not the partner's own: no credential goes there."""


class NotFoundError(InvalidRequestError):
    """What the request names is not there."""


class RequestTooLargeError(InvalidRequestError):
    """The request's body is larger than any webhook we take."""


class PartnerError(JetbridgeError):
    """Evidence shared by what goes wrong at a partner."""

    def __init__(self, message: str = "", *, partner: str = "", http_status: int = 0, code: str = "") -> None:
        super().__init__(message or type(self).__name__)
        self.partner = partner
        self.http_status = http_status
        self.code = code

    def __str__(self) -> str:
        """Say what went wrong, with the evidence."""
        facts = [f"{name}={value}" for name in ("partner", "http_status", "code") if (value := getattr(self, name))]
        return " ".join([super().__str__(), *facts])


class PermanentError(PartnerError):
    """Repeating the same call gives the same refusal."""


class CredentialsRejectedError(PermanentError):
    """The partner does not accept our credentials (401, 402 or 403)."""


class RejectedByPartnerError(PermanentError):
    """The partner understood the request, refused it, and did nothing."""


class DuplicateReferenceError(RejectedByPartnerError):
    """Jetpack already holds an order with this reference (facts/shipbob.md section 6, Idempotency)."""


class UnexpectedAnswerError(PermanentError):
    """The partner's answer cannot be read or holds a status nobody knows."""


class TransientError(PartnerError):
    """Nothing was done; the same call may work later."""

    def __init__(self, message: str = "", *, retry_after_seconds: float | None = None, **evidence: str | int) -> None:
        super().__init__(message, **evidence)  # type: ignore[arg-type]  # forwarded as they came
        self.retry_after_seconds = retry_after_seconds


class RateLimitedError(TransientError):
    """The partner's limit is used up (429 or THROTTLED)."""


class PartnerUnavailableError(TransientError):
    """The partner cannot be reached or answers with its own failure to something that only read."""


class OutcomeUnknownError(PartnerError):
    """A write timed out or failed on the partner's side: it may have happened."""


class ConflictError(JetbridgeError):
    """A conditional write found another version than the one it was made from."""
