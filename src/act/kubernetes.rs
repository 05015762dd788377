//! Actions on Kubernetes objects other than children: role labels, pods that are replaced, requests that are answered.

use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, DeleteParams, Patch, PatchParams, Preconditions};
use serde_json::json;
use tokio::time::timeout;

use super::apply::Error;
use crate::api::{Identity, ROLE_LABEL, RedisFailover};
use crate::heal::Action;
use crate::heal::switchover;
use crate::observe::facts::Observed;

/// Deadline of one call.
const CALL: Duration = Duration::from_secs(5);

/// Carries out an action, if it is one on Kubernetes objects.
pub async fn carry_out(
    client: &kube::Client,
    identity: &Identity,
    observed: &Observed,
    action: &Action,
) -> Option<Result<(), Error>> {
    let namespace = &identity.namespace;
    let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let uid = |pod: &str| {
        let node = observed.redis.iter().find(|node| node.pod.name == pod);
        node.map(|node| node.pod.uid.clone()).unwrap_or_default()
    };
    match action {
        Action::Label { pod, role } => Some(set_role(&pods, pod, &uid(pod), role).await),
        Action::Restart { pod } => Some(delete(&pods, pod, uid(pod)).await),
        Action::Dismiss { .. } => {
            let objects = Api::namespaced(client.clone(), namespace);
            Some(dismiss(&objects, identity).await)
        }
        _ => None,
    }
}

/// Sets the role label of a pod, whether or not it has one. A new pod of the same name is not meant: the API server refuses
/// the patch by its uid, and the next look sees the new one.
async fn set_role(api: &Api<Pod>, pod: &str, uid: &str, role: &str) -> Result<(), Error> {
    let patch = Patch::Merge(json!({"metadata": {"uid": uid, "labels": {ROLE_LABEL: role}}}));
    call(format!("Pod {pod}"), api.patch_metadata(pod, &PatchParams::default(), &patch)).await
}

/// Deletes a pod with its grace period. A new pod of the same name is not meant.
async fn delete(api: &Api<Pod>, pod: &str, uid: String) -> Result<(), Error> {
    let this = Preconditions { uid: Some(uid), resource_version: None };
    let params = DeleteParams { preconditions: Some(this), ..DeleteParams::default() };
    call(format!("Pod {pod}"), api.delete(pod, &params)).await
}

/// Removes the annotation that asked for something. An object of the same name that was made since is not meant.
async fn dismiss(api: &Api<RedisFailover>, identity: &Identity) -> Result<(), Error> {
    let annotations = json!({switchover::annotation(): null});
    let patch = Patch::Merge(json!({"metadata": {"uid": identity.uid, "annotations": annotations}}));
    let object = format!("RedisFailover {}", identity.name);
    call(object, api.patch_metadata(&identity.name, &PatchParams::default(), &patch)).await
}

/// What is gone or another one by now needs nothing.
async fn call<T>(object: String, answer: impl Future<Output = kube::Result<T>>) -> Result<(), Error> {
    match timeout(CALL, answer).await {
        Err(_) => Err(Error::Timeout { object }),
        Ok(Err(kube::Error::Api(status))) if status.is_not_found() || status.is_conflict() => Ok(()),
        Ok(Err(source)) => Err(Error::Api { object, source: Box::new(source) }),
        Ok(Ok(_)) => Ok(()),
    }
}
