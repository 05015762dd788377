//! Security contexts that the Pod Security level `restricted` accepts.

use k8s_openapi::api::core::v1::{Capabilities, PodSecurityContext, SeccompProfile, SecurityContext};

/// User, group and owner group of the data: what the Go operator's pods ran as, so that old volumes stay readable.
const ID: i64 = 1000;

/// Of a pod; the user's replaces it wholly.
pub(super) fn pod(own: Option<&PodSecurityContext>) -> PodSecurityContext {
    own.cloned().unwrap_or_else(|| PodSecurityContext {
        run_as_user: Some(ID),
        run_as_group: Some(ID),
        fs_group: Some(ID),
        run_as_non_root: Some(true),
        seccomp_profile: Some(runtime_default()),
        ..PodSecurityContext::default()
    })
}

/// Of a container; the user's replaces it wholly. It does not lean on the pod's, which the user may have replaced.
pub(super) fn container(own: Option<&SecurityContext>) -> SecurityContext {
    own.cloned().unwrap_or_else(|| SecurityContext {
        allow_privilege_escalation: Some(false),
        capabilities: Some(Capabilities { drop: Some(vec!["ALL".to_owned()]), ..Capabilities::default() }),
        privileged: Some(false),
        read_only_root_filesystem: Some(true),
        run_as_user: Some(ID),
        run_as_group: Some(ID),
        run_as_non_root: Some(true),
        seccomp_profile: Some(runtime_default()),
        ..SecurityContext::default()
    })
}

fn runtime_default() -> SeccompProfile {
    SeccompProfile { type_: "RuntimeDefault".to_owned(), ..SeccompProfile::default() }
}
