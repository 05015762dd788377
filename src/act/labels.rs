//! Role labels of pods.

use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, Patch, PatchParams};
use serde_json::json;
use tokio::time::timeout;

use super::apply::Error;
use crate::api::ROLE_LABEL;

/// Deadline of the patch.
const CALL: Duration = Duration::from_secs(5);

/// Sets the role label of a pod, whether or not it has one. A new pod of the same name is not meant: the API server refuses
/// the patch by its uid, and the next look sees the new one.
pub async fn set_role(
    client: &kube::Client,
    namespace: &str,
    pod: &str,
    uid: &str,
    role: &str,
) -> Result<(), Error> {
    let api: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let patch = Patch::Merge(json!({"metadata": {"uid": uid, "labels": {ROLE_LABEL: role}}}));
    match timeout(CALL, api.patch_metadata(pod, &PatchParams::default(), &patch)).await {
        Err(_) => Err(Error::Timeout { object: format!("Pod {pod}") }),
        Ok(Err(kube::Error::Api(status))) if status.is_not_found() || status.is_conflict() => Ok(()),
        Ok(Err(source)) => Err(Error::Api { object: format!("Pod {pod}"), source: Box::new(source) }),
        Ok(Ok(_)) => Ok(()),
    }
}
