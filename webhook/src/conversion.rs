//! The codec of `ConversionReview` in `apiextensions.k8s.io/v1`.
//!
//! A review carries a whole list. It is taken apart and put together as text, so that only one object at a time is in
//! memory as a tree, which is many times as large.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::{RawValue, to_raw_value};

use crate::review::{ReviewError, parse};

const API_VERSION: &str = "apiextensions.k8s.io/v1";
const KIND: &str = "ConversionReview";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct IncomingReview<'a> {
    #[serde(default)]
    api_version: String,
    #[serde(default)]
    kind: String,
    #[serde(borrow)]
    request: Option<Request<'a>>,
}

/// Objects, and the version that all of them are wanted in.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Request<'a> {
    /// Identifies this question; the answer repeats it.
    pub(crate) uid: String,
    /// Group and version, as `example.com/v1`.
    #[serde(rename = "desiredAPIVersion")]
    pub(crate) wanted: String,
    /// The objects, in any version of their kind.
    #[serde(borrow)]
    pub(crate) objects: Vec<&'a RawValue>,
}

/// All objects in the order of the request, or why one of them cannot be converted.
pub(crate) type Converted = Result<Vec<Box<RawValue>>, String>;

/// Reads a review as the API server sends it.
pub(crate) fn decode(body: &[u8]) -> Result<Request<'_>, ReviewError> {
    let review: IncomingReview<'_> = parse(body)?;
    if review.api_version != API_VERSION || review.kind != KIND {
        let wanted = "\"ConversionReview\" of \"apiextensions.k8s.io/v1\"";
        return Err(ReviewError::WrongType { wanted, api_version: review.api_version, kind: review.kind });
    }
    review.request.ok_or(ReviewError::NoRequest)
}

/// Converts one object after the other. The first that fails fails the review: the protocol knows no other way.
pub(crate) fn convert(
    request: &Request<'_>,
    convert: impl Fn(Value, &str) -> Result<Value, String>,
) -> Converted {
    let unreadable = |index: usize, error| format!("object {index} of the list: {error}");
    let one = |(index, object): (usize, &&RawValue)| {
        let object = serde_json::from_str(object.get()).map_err(|error| unreadable(index, error))?;
        to_raw_value(&convert(object, &request.wanted)?).map_err(|error| unreadable(index, error))
    };
    request.objects.iter().enumerate().map(one).collect()
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
    converted_objects: &'a [Box<RawValue>],
    result: Status<'a>,
}

#[derive(Serialize)]
struct Status<'a> {
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'a str>,
}

/// Writes the review that answers the request `uid`.
pub(crate) fn encode(uid: &str, converted: &Converted) -> Result<Vec<u8>, ReviewError> {
    let (converted_objects, result) = match converted {
        Ok(objects) => (&objects[..], Status { status: "Success", message: None }),
        Err(message) => (&[][..], Status { status: "Failed", message: Some(message) }),
    };
    let response = Response { uid, converted_objects, result };
    let review = OutgoingReview { api_version: API_VERSION, kind: KIND, response };
    serde_json::to_vec(&review).map_err(ReviewError::Encode)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn review(objects: &[Value]) -> Vec<u8> {
        let request = json!({"uid": "u", "desiredAPIVersion": "example.com/v2", "objects": objects});
        json!({"apiVersion": API_VERSION, "kind": KIND, "request": request}).to_string().into_bytes()
    }

    /// Writes the version into the object, unless it is called "bad".
    fn answered(body: &[u8]) -> Value {
        let request = decode(body).unwrap();
        let converted = convert(&request, |mut object, wanted| {
            if object["name"] == "bad" {
                return Err("bad: spec.x: is wrong".to_owned());
            }
            object["apiVersion"] = json!(wanted);
            Ok(object)
        });
        serde_json::from_slice(&encode(&request.uid, &converted).unwrap()).unwrap()
    }

    #[test]
    fn a_list_keeps_its_order() {
        let objects: Vec<_> =
            (0..500).map(|number| json!({"apiVersion": "example.com/v1", "number": number})).collect();
        let answer = answered(&review(&objects));
        assert_eq!((&answer["apiVersion"], &answer["kind"]), (&json!(API_VERSION), &json!(KIND)));
        assert_eq!(answer["response"]["uid"], "u");
        assert_eq!(answer["response"]["result"], json!({"status": "Success"}));
        let converted = answer["response"]["convertedObjects"].as_array().unwrap();
        assert_eq!(converted.len(), 500);
        for (number, object) in converted.iter().enumerate() {
            assert_eq!(*object, json!({"apiVersion": "example.com/v2", "number": number}));
        }
    }

    #[test]
    fn one_bad_object_fails_the_review_by_its_name() {
        let answer = answered(&review(&[json!({"name": "good"}), json!({"name": "bad"})]));
        assert_eq!(
            answer["response"]["result"],
            json!({"status": "Failed", "message": "bad: spec.x: is wrong"})
        );
        assert_eq!(answer["response"]["convertedObjects"], json!([]));
    }

    #[test]
    fn an_object_like_a_tower_fails_the_review_and_no_stack() {
        let tower = "[".repeat(100_000) + &"]".repeat(100_000);
        let body = String::from_utf8(review(&[json!({"name": "good"}), json!("TOWER")])).unwrap();
        let answer = answered(body.replace("\"TOWER\"", &tower).as_bytes());
        let message = answer["response"]["result"]["message"].as_str().unwrap();
        assert!(message.starts_with("object 1 of the list: recursion limit exceeded"), "{message}");
    }

    #[test]
    fn what_is_no_conversion_review_is_refused() {
        let review = |kind: &str, version: &str| json!({"apiVersion": version, "kind": kind}).to_string();
        for (body, reason) in [
            ("{".to_owned(), "NotJson"),
            ("[1]".to_owned(), "NotAdmissionReview"),
            (review("AdmissionReview", "admission.k8s.io/v1"), "WrongReviewType"),
            (review(KIND, "apiextensions.k8s.io/v1beta1"), "WrongReviewType"),
            (review(KIND, API_VERSION), "NoRequest"),
        ] {
            assert_eq!(decode(body.as_bytes()).err().unwrap().reason(), reason, "{body}");
        }
    }
}
