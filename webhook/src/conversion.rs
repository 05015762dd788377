//! The codec of `ConversionReview` in `apiextensions.k8s.io/v1`.
//!
//! A review carries a whole list. It is taken apart as text, and each object is written into the answer as soon as it
//! is converted: a single one is in memory as a tree, which is many times as large.

use std::borrow::Cow;
use std::cell::RefCell;
use std::fmt;

use serde::de::{Deserializer, Error, SeqAccess, Visitor};
use serde::ser::{Error as _, SerializeSeq, Serializer};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::object;
use crate::review::{MESSAGE_BYTES, ReviewError, cut, parse, short_uid};

const API_VERSION: &str = "apiextensions.k8s.io/v1";
const KIND: &str = "ConversionReview";

/// Most objects in one review. A stored object has more than 256 bytes, so the longest body never has as many.
const MAX_OBJECTS: usize = 32 * 1024;
/// What the answer has beside the objects, about: only a hint.
const ENVELOPE_BYTES: usize = 1024;

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
    #[serde(deserialize_with = "short_uid")]
    pub(crate) uid: String,
    /// Group and version, as `example.com/v1`.
    #[serde(rename = "desiredAPIVersion")]
    pub(crate) wanted: String,
    /// The objects, in any version of their kind.
    #[serde(borrow, deserialize_with = "bounded")]
    pub(crate) objects: Vec<&'a RawValue>,
}

fn bounded<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<&'de RawValue>, D::Error> {
    struct Objects;

    impl<'de> Visitor<'de> for Objects {
        type Value = Vec<&'de RawValue>;

        fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str("a list of objects")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
            let mut objects = Vec::new();
            while let Some(object) = items.next_element()? {
                if objects.len() == MAX_OBJECTS {
                    return Err(A::Error::custom(format_args!("there are more than {MAX_OBJECTS} objects")));
                }
                objects.push(object);
            }
            Ok(objects)
        }
    }

    deserializer.deserialize_seq(Objects)
}

/// Reads a review as the API server sends it.
pub(crate) fn decode(body: &[u8]) -> Result<Request<'_>, ReviewError> {
    let review: IncomingReview<'_> = parse(body)?;
    if review.api_version != API_VERSION || review.kind != KIND {
        let wanted = "\"ConversionReview\" of \"apiextensions.k8s.io/v1\"";
        return Err(ReviewError::WrongType { wanted, api_version: review.api_version, kind: review.kind });
    }
    review.request.ok_or(ReviewError::NoRequest)
}

/// The review that answers a request, and why an object of it cannot be converted, if one cannot.
pub(crate) struct Answer {
    pub(crate) text: Vec<u8>,
    pub(crate) failure: Option<String>,
}

/// Converts one object after the other. The first that fails fails the review: the protocol knows no other way.
pub(crate) fn answer(
    request: &Request<'_>,
    convert: impl Fn(Value, &str) -> Result<Value, String>,
) -> Result<Answer, ReviewError> {
    let failure = RefCell::new(None);
    let objects = Converting { request, convert, failure: &failure };
    let success = Status { status: "Success", message: None };
    let about = ENVELOPE_BYTES + request.objects.iter().map(|object| object.get().len() + 1).sum::<usize>();
    match encode(about, &request.uid, objects, success) {
        Ok(text) => Ok(Answer { text, failure: None }),
        Err(error) => {
            let failure = failure.take().ok_or(ReviewError::Encode(error))?;
            let failed = Status { status: "Failed", message: Some(cut(&failure, MESSAGE_BYTES)) };
            let none: [Value; 0] = [];
            let text = encode(ENVELOPE_BYTES, &request.uid, none, failed).map_err(ReviewError::Encode)?;
            Ok(Answer { text, failure: Some(failure) })
        }
    }
}

/// The objects of a request, converted while they are written.
struct Converting<'a, C> {
    request: &'a Request<'a>,
    convert: C,
    /// Why an object cannot be converted, which ends the writing.
    failure: &'a RefCell<Option<String>>,
}

impl<C: Fn(Value, &str) -> Result<Value, String>> Serialize for Converting<'_, C> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let failed = |message: String| {
            self.failure.replace(Some(message));
            S::Error::custom("an object cannot be converted")
        };
        let mut written = serializer.serialize_seq(None)?;
        for (index, text) in self.request.objects.iter().enumerate() {
            let (object, managed) = object::with_managed(text.get())
                .map_err(|error| failed(format!("object {index} of the list: {error}")))?;
            let converted = (self.convert)(object, &self.request.wanted).map_err(failed)?;
            written.serialize_element(&object::Whole(&converted, managed))?;
        }
        written.end()
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct OutgoingReview<'a, O> {
    api_version: &'static str,
    kind: &'static str,
    response: Response<'a, O>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Response<'a, O> {
    uid: &'a str,
    converted_objects: O,
    result: Status<'a>,
}

#[derive(Serialize)]
struct Status<'a> {
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<Cow<'a, str>>,
}

fn encode(
    about: usize,
    uid: &str,
    converted_objects: impl Serialize,
    result: Status<'_>,
) -> serde_json::Result<Vec<u8>> {
    let mut text = Vec::with_capacity(about);
    let response = Response { uid, converted_objects, result };
    serde_json::to_writer(&mut text, &OutgoingReview { api_version: API_VERSION, kind: KIND, response })?;
    Ok(text)
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
        let answer = super::answer(&request, |mut object, wanted| {
            if object["name"] == "bad" {
                return Err("bad: spec.x: is wrong".to_owned());
            }
            object["apiVersion"] = json!(wanted);
            Ok(object)
        });
        serde_json::from_slice(&answer.unwrap().text).unwrap()
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
    fn managed_fields_come_through_as_they_are_and_count_for_nothing() {
        let managed = format!("[ {} ]", vec![r#"{"a": 1e2}"#; object::MAX_VALUES].join(","));
        let object = format!(r#"{{"metadata":{{"managedFields":{managed},"name":"good"}}}}"#);
        let body = String::from_utf8(review(&[json!("OBJECT")])).unwrap().replace("\"OBJECT\"", &object);
        let request = decode(body.as_bytes()).unwrap();
        let answer = super::answer(&request, |object, _| {
            assert_eq!(object, json!({"metadata": {"name": "good"}}));
            Ok(object)
        });
        let whole =
            format!(r#""convertedObjects":[{{"metadata":{{"name":"good","managedFields":{managed}}}}}]"#);
        let text = String::from_utf8(answer.unwrap().text).unwrap();
        assert!(text.contains(&whole), "{text:.200}");
    }

    #[test]
    fn an_object_of_too_many_values_fails_the_review() {
        let answer = answered(&review(&[json!({"spec": vec![0; object::MAX_VALUES]})]));
        let message = answer["response"]["result"]["message"].as_str().unwrap();
        assert!(message.starts_with("object 0 of the list: an object has more than"), "{message}");
    }

    #[test]
    fn more_objects_than_a_body_can_hold_are_refused() {
        assert!(decode(&review(&vec![json!(0); MAX_OBJECTS])).is_ok());
        let refusal = decode(&review(&vec![json!(0); MAX_OBJECTS + 1])).err().unwrap();
        assert!(refusal.to_string().contains("there are more than 32768 objects"), "{refusal}");
    }

    #[test]
    fn a_long_reason_is_cut() {
        let body = review(&[json!({})]);
        let request = decode(&body).unwrap();
        let answer = super::answer(&request, |_, _| Err("x".repeat(1 << 20)));
        assert!(answer.unwrap().text.len() < 20 * 1024);
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
