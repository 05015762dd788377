//! The codec of `admission.k8s.io/v1`: bytes to [`Request`], [`Verdict`] to bytes.
//!
//! Mutating webhooks run before schema validation, so a spec of the wrong shape does reach us. It is kept as
//! text here: whoever parses it can then deny with a sentence, instead of a failed call.

use std::borrow::Cow;

use axum::http::StatusCode;
use base64::{Engine, prelude::BASE64_STANDARD};
use json_patch::Patch;
use serde::{Deserialize, Deserializer, Serialize, de::Error as _};
use serde_json::error::Category;

use crate::admitted::{self, Object};

const API_VERSION: &str = "admission.k8s.io/v1";
const KIND: &str = "AdmissionReview";

/// The API server cuts a single warning after this many characters.
const WARNING_CHARS: usize = 256;
/// The API server drops warnings once all of them together have this many characters.
const ALL_WARNINGS_CHARS: usize = 4096;
/// Room for the warning that says how many more there are.
const MORE_CHARS: usize = 64;
/// Longest message of a denial, in bytes. A terminal holds less; a list of a thousand faults helps nobody.
pub(crate) const MESSAGE_BYTES: usize = 16 * 1024;
/// Longest text that a log line, or the answer to a bad request, repeats, in bytes.
pub(crate) const ECHO_BYTES: usize = 1024;
/// Longest `uid`, in bytes. The API server's have 36.
const UID_BYTES: usize = 256;

/// What the API server asks about: one change to one object. It borrows from the body, and fields we have no use for are
/// not kept.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Request<'a> {
    /// Identifies this question; the answer repeats it.
    #[serde(deserialize_with = "short_uid")]
    pub uid: String,
    /// Type of `object`, in the version the webhook configuration asks for.
    #[serde(borrow)]
    pub kind: GroupVersionKind<'a>,
    /// Type of the object as the client sent it; the API server converted it where that is another version.
    #[serde(borrow, default)]
    pub request_kind: Option<GroupVersionKind<'a>>,
    /// What is about to happen to the object.
    pub operation: Operation,
    /// Namespace of the object; none if it is cluster-scoped.
    #[serde(borrow, default, deserialize_with = "non_empty")]
    pub namespace: Option<Cow<'a, str>>,
    /// Name of the object; none if the API server is still to generate it.
    #[serde(borrow, default, deserialize_with = "non_empty")]
    pub name: Option<Cow<'a, str>>,
    /// `status`, `scale` and the like; none for the object itself.
    #[serde(borrow, default, deserialize_with = "non_empty")]
    pub sub_resource: Option<Cow<'a, str>>,
    /// The change will not be stored, whatever the answer.
    #[serde(default, deserialize_with = "null_is_false")]
    pub dry_run: bool,
    /// The object as it would be stored; none on a deletion.
    #[serde(borrow, default)]
    pub object: Option<Object<'a>>,
    /// The object as it is stored; none on a creation.
    #[serde(borrow, default)]
    pub old_object: Option<Object<'a>>,
}

/// Names a type of the Kubernetes API.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct GroupVersionKind<'a> {
    /// API group; empty for the core group.
    #[serde(borrow)]
    pub group: Cow<'a, str>,
    /// API version, such as `v1`.
    #[serde(borrow)]
    pub version: Cow<'a, str>,
    /// Kind, in CamelCase.
    #[serde(borrow)]
    pub kind: Cow<'a, str>,
}

/// What is about to happen to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Operation {
    /// The object is new.
    Create,
    /// The object exists and changes.
    Update,
    /// The object is about to go.
    Delete,
    /// A stream to the object is opened.
    Connect,
}

impl Operation {
    /// The name in the Kubernetes API, in capitals.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Create => "CREATE",
            Self::Update => "UPDATE",
            Self::Delete => "DELETE",
            Self::Connect => "CONNECT",
        }
    }
}

/// The answer to a [`Request`].
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// The change may happen.
    Allow {
        /// How to alter the object first. Only an answer to a mutation may carry one.
        patch: Option<Patch>,
        /// Lines that `kubectl` shows to the user, see [`Verdict::with_warnings`].
        warnings: Vec<String>,
    },
    /// The change must not happen.
    Deny {
        /// What is wrong and what to write instead; the user sees it as it is.
        message: String,
        /// Lines that `kubectl` shows to the user, see [`Verdict::with_warnings`].
        warnings: Vec<String>,
    },
}

impl Verdict {
    /// The change may happen as it is.
    #[must_use]
    pub fn allow() -> Self {
        Self::Allow { patch: None, warnings: Vec::new() }
    }

    /// The change must not happen, for the reason given.
    #[must_use]
    pub fn deny(message: impl Into<String>) -> Self {
        Self::Deny { message: message.into(), warnings: Vec::new() }
    }

    /// The same verdict with a patch. A denial has no use for one and stays as it is.
    #[must_use]
    pub fn with_patch(self, patch: Patch) -> Self {
        match self {
            Self::Allow { warnings, .. } => Self::Allow { patch: Some(patch), warnings },
            denied @ Self::Deny { .. } => denied,
        }
    }

    /// The same verdict without its patch: the API server fails a validation that answers with one.
    #[must_use]
    pub(crate) fn without_patch(self) -> Self {
        match self {
            Self::Allow { warnings, .. } => Self::Allow { patch: None, warnings },
            denied @ Self::Deny { .. } => denied,
        }
    }

    /// The same verdict with these warnings, in place of earlier ones. What is sent keeps the API server's
    /// limits: 256 characters each, below 4096 in all; what goes beyond is cut, and the last one says so.
    #[must_use]
    pub fn with_warnings(mut self, lines: Vec<String>) -> Self {
        let (Self::Allow { warnings, .. } | Self::Deny { warnings, .. }) = &mut self;
        *warnings = lines;
        self
    }

    /// Whether the change may happen.
    #[must_use]
    pub fn is_allowed(&self) -> bool {
        matches!(self, Self::Allow { .. })
    }
}

/// Why a request to the server got no verdict.
#[derive(Debug, thiserror::Error)]
pub enum ReviewError {
    /// The `Content-Type` is missing or another.
    #[error("Content-Type is {found:?}, must be application/json")]
    ContentType {
        /// The header as sent; empty if missing.
        found: String,
    },
    /// The body is longer than [`MAX_BODY_BYTES`](crate::MAX_BODY_BYTES).
    #[error("body is longer than {} bytes", crate::MAX_BODY_BYTES)]
    TooLarge,
    /// Other requests have taken all that the server may use at once.
    #[error("too many requests at once")]
    Busy,
    /// The body could not be read to its end.
    #[error("cannot read the body: {0}")]
    Body(String),
    /// The body is not JSON, or ends too early.
    #[error("body is not JSON: {0}")]
    NotJson(#[source] serde_json::Error),
    /// The body is JSON of another shape.
    #[error("body is not a review: {0}")]
    NotReview(#[source] serde_json::Error),
    /// The body is another kind of object, or a review of another version.
    #[error("body is {kind:?} of {api_version:?}, must be {wanted}")]
    WrongType {
        /// Kind and version that this path takes.
        wanted: &'static str,
        /// `apiVersion` as sent; empty if missing.
        api_version: String,
        /// `kind` as sent; empty if missing.
        kind: String,
    },
    /// The review asks nothing.
    #[error("the review has no request")]
    NoRequest,
    /// The answer could not be written as JSON.
    #[error("cannot encode the answer: {0}")]
    Encode(#[source] serde_json::Error),
    /// The code that decides panicked; the panic itself is in the log.
    #[error("the server failed to decide")]
    Panicked,
}

impl ReviewError {
    /// A fixed word for logs, metrics and the JSON body.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::ContentType { .. } => "WrongContentType",
            Self::TooLarge => "BodyTooLarge",
            Self::Busy => "Busy",
            Self::Body(_) => "BodyUnreadable",
            Self::NotJson(_) => "NotJson",
            Self::NotReview(_) => "NotAdmissionReview",
            Self::WrongType { .. } => "WrongReviewType",
            Self::NoRequest => "NoRequest",
            Self::Encode(_) => "EncodeFailed",
            Self::Panicked => "Panicked",
        }
    }

    /// The HTTP status that tells the caller whose fault it is.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            Self::ContentType { .. } => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Busy => StatusCode::SERVICE_UNAVAILABLE,
            Self::Encode(_) | Self::Panicked => StatusCode::INTERNAL_SERVER_ERROR,
            _ => StatusCode::BAD_REQUEST,
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct IncomingReview<'a> {
    #[serde(borrow, default)]
    api_version: Cow<'a, str>,
    #[serde(borrow, default)]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    request: Option<Request<'a>>,
}

/// Reads a review as the API server sends it.
pub fn decode(body: &[u8]) -> Result<Request<'_>, ReviewError> {
    let review: IncomingReview<'_> = parse(body)?;
    if review.api_version != API_VERSION || review.kind != KIND {
        let wanted = "\"AdmissionReview\" of \"admission.k8s.io/v1\"";
        let [api_version, kind] = [review.api_version, review.kind].map(Cow::into_owned);
        return Err(ReviewError::WrongType { wanted, api_version, kind });
    }
    review.request.ok_or(ReviewError::NoRequest)
}

/// Reads the body of any kind of review.
pub(crate) fn parse<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, ReviewError> {
    serde_json::from_slice(body).map_err(|error| match error.classify() {
        Category::Data => ReviewError::NotReview(error),
        Category::Syntax | Category::Eof | Category::Io => ReviewError::NotJson(error),
    })
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct OutgoingReview<'a> {
    api_version: &'static str,
    kind: &'static str,
    response: Response<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Response<'a> {
    uid: &'a str,
    allowed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<Status<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
}

#[derive(Serialize)]
struct Status<'a> {
    code: u16,
    reason: &'static str,
    message: Cow<'a, str>,
}

/// Writes the review that answers the request `uid`.
pub fn encode(uid: &str, verdict: &Verdict) -> Result<Vec<u8>, ReviewError> {
    let (status, patch, warnings) = match verdict {
        Verdict::Allow { patch, warnings } => (None, patch.as_ref(), warnings),
        Verdict::Deny { message, warnings } => {
            let message = cut(message, MESSAGE_BYTES);
            (Some(Status { code: 422, reason: "Invalid", message }), None, warnings)
        }
    };
    let response =
        Response { uid, allowed: verdict.is_allowed(), status, warnings: limit_warnings(warnings) };
    let review = OutgoingReview { api_version: API_VERSION, kind: KIND, response };
    let mut text = serde_json::to_string(&review).map_err(ReviewError::Encode)?;
    if let Some(patch) = patch.filter(|patch| !patch.is_empty()) {
        let patch = serde_json::to_vec(patch).map_err(ReviewError::Encode)?;
        append_patch(&mut text, &patch);
    }
    Ok(text.into_bytes())
}

/// Adds a JSON patch to the response at the end of a review: in base64, as every `[]byte` of the Kubernetes API, and so
/// without anything to escape.
fn append_patch(review: &mut String, patch: &[u8]) {
    review.truncate(review.len() - "}}".len());
    review.push_str(r#","patchType":"JSONPatch","patch":""#);
    BASE64_STANDARD.encode_string(patch, review);
    review.push_str("\"}}");
}

/// Warnings travel in HTTP headers: one line each, and no more than the API server passes on. The last one says how
/// many were left out.
fn limit_warnings(warnings: &[String]) -> Vec<String> {
    let lines: Vec<_> = warnings.iter().map(|warning| one_short_line(warning)).collect();
    let fit = |most: usize| {
        let mut total = 0;
        let fits = |line: &&String| {
            total += line.chars().count();
            total < most
        };
        lines.iter().take_while(fits).count()
    };
    if fit(ALL_WARNINGS_CHARS) == lines.len() {
        return lines;
    }
    let sent = fit(ALL_WARNINGS_CHARS - MORE_CHARS);
    let more = format!("and {} more warnings", lines.len() - sent);
    lines.into_iter().take(sent).chain([more]).collect()
}

fn one_short_line(text: &str) -> String {
    let mut line: String =
        text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(WARNING_CHARS).collect();
    if text.chars().nth(WARNING_CHARS).is_some() {
        line.pop();
        line.push('…');
    }
    line
}

/// The text, with an ellipsis where it has more than so many bytes.
pub(crate) fn cut(text: &str, bytes: usize) -> Cow<'_, str> {
    if text.len() <= bytes {
        return text.into();
    }
    let end = (0..=bytes).rfind(|at| text.is_char_boundary(*at)).unwrap_or_default();
    format!("{}…", &text[..end]).into()
}

/// The answer repeats it.
pub(crate) fn short_uid<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let uid = String::deserialize(deserializer)?;
    if uid.len() > UID_BYTES {
        return Err(D::Error::custom(format_args!("the uid is longer than {UID_BYTES} bytes")));
    }
    Ok(uid)
}

/// The API server leaves out what is empty, other callers may not.
fn non_empty<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Cow<'de, str>>, D::Error> {
    Ok(Some(admitted::text(deserializer)?).filter(|text| !text.is_empty()))
}

fn null_is_false<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

#[cfg(test)]
mod tests;
