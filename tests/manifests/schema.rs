//! Every object against the definition of its kind: unknown fields, missing fields, types.
//!
//! Knows the definitions: Kubernetes' own of the oldest version that k8s-openapi has, so that no field is too new, and
//! ours of the monitoring resources. Must not know what one object says about another.

use std::collections::BTreeSet;

use k8s_openapi::api::{
    apps::v1::{DaemonSet, Deployment, StatefulSet},
    autoscaling::v2::HorizontalPodAutoscaler,
    batch::v1::{CronJob, Job},
    core::v1::{ConfigMap, Namespace, PersistentVolume, PersistentVolumeClaim, Secret, Service, ServiceAccount},
    networking::v1::NetworkPolicy,
    policy::v1::PodDisruptionBudget,
    rbac::v1::{Role, RoleBinding},
    storage::v1::StorageClass,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::certificate_kind::Certificate;
use crate::document::{Complaint, Document, Rendering};
use crate::monitoring_kinds::{PrometheusRule, ServiceMonitor};

type Check = fn(&Document) -> Vec<Complaint>;

/// Kinds that our manifests may use.
const KINDS: [(&str, &str, Check); 21] = [
    ("v1", "ConfigMap", strict::<ConfigMap>),
    ("v1", "Namespace", strict::<Namespace>),
    ("v1", "PersistentVolume", strict::<PersistentVolume>),
    ("v1", "PersistentVolumeClaim", strict::<PersistentVolumeClaim>),
    ("v1", "Secret", strict::<Secret>),
    ("v1", "Service", strict::<Service>),
    ("v1", "ServiceAccount", strict::<ServiceAccount>),
    ("apps/v1", "DaemonSet", strict::<DaemonSet>),
    ("apps/v1", "Deployment", strict::<Deployment>),
    ("apps/v1", "StatefulSet", strict::<StatefulSet>),
    ("autoscaling/v2", "HorizontalPodAutoscaler", strict::<HorizontalPodAutoscaler>),
    ("batch/v1", "CronJob", strict::<CronJob>),
    ("batch/v1", "Job", strict::<Job>),
    ("networking.k8s.io/v1", "NetworkPolicy", strict::<NetworkPolicy>),
    ("policy/v1", "PodDisruptionBudget", strict::<PodDisruptionBudget>),
    ("rbac.authorization.k8s.io/v1", "Role", strict::<Role>),
    ("rbac.authorization.k8s.io/v1", "RoleBinding", strict::<RoleBinding>),
    ("storage.k8s.io/v1", "StorageClass", strict::<StorageClass>),
    ("cert-manager.io/v1", "Certificate", strict::<Certificate>),
    ("monitoring.coreos.com/v1", "PrometheusRule", strict::<PrometheusRule>),
    ("monitoring.coreos.com/v1", "ServiceMonitor", strict::<ServiceMonitor>),
];

/// All complaints about a rendering.
pub fn check(rendering: &Rendering) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    let mut names = BTreeSet::new();
    for document in &rendering.documents {
        let known =
            KINDS.iter().find(|(version, kind, _)| *version == document.api_version() && *kind == document.kind());
        if let Some((_, _, check)) = known {
            complaints.extend(check(document));
        } else {
            let wrong = format!("there is no kind {:?} in {:?}", document.kind(), document.api_version());
            complaints.push(document.complaint("kind", wrong));
        }
        if !is_name(document.name()) {
            complaints.push(document.complaint("metadata.name", "is not a DNS name of small letters"));
        }
        if !names.insert((document.kind(), document.name())) {
            complaints.push(document.complaint("metadata.name", "is there twice"));
        }
    }
    complaints
}

fn strict<T: DeserializeOwned + Serialize>(document: &Document) -> Vec<Complaint> {
    let typed: T = match serde_path_to_error::deserialize(&document.value) {
        Ok(typed) => typed,
        Err(why) => return vec![document.complaint(why.path().to_string(), why.inner().to_string())],
    };
    let mut complaints = Vec::new();
    let unknown = |path: serde_ignored::Path<'_>| {
        let path = readable(&path.to_string());
        complaints.push(document.complaint(path, "is a field that does not exist here"));
    };
    let again: Result<T, _> = serde_ignored::deserialize(&document.value, unknown);
    assert!(again.is_ok());
    // The definitions read a missing field as an empty one, and always write those that must be there.
    missing(&document.value, &serde_json::to_value(typed).unwrap(), "", &mut |path| {
        // A claim inside a StatefulSet need not say what it is.
        if !path.starts_with("spec.volumeClaimTemplates")
            || !path.ends_with("].kind") && !path.ends_with("].apiVersion")
        {
            complaints.push(document.complaint(path, "is missing"));
        }
    });
    complaints
}

/// `spec.?.containers.0.name` is shown as `spec.containers[0].name`.
fn readable(path: &str) -> String {
    let mut shown = String::new();
    for part in path.split('.').filter(|part| *part != "?") {
        if part.parse::<usize>().is_ok() {
            shown.extend(["[", part, "]"]);
        } else {
            shown.push_str(if shown.is_empty() { "" } else { "." });
            shown.push_str(part);
        }
    }
    shown
}

/// What `complete` has and `written` lacks.
fn missing(written: &Value, complete: &Value, path: &str, found: &mut impl FnMut(String)) {
    match (written, complete) {
        (Value::Object(written), Value::Object(complete)) => {
            for (name, complete) in complete.iter().filter(|(_, value)| !value.is_null()) {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                match written.get(name) {
                    Some(written) => missing(written, complete, &path, found),
                    None => found(path),
                }
            }
        }
        (Value::Array(written), Value::Array(complete)) => {
            for (at, (written, complete)) in written.iter().zip(complete).enumerate() {
                missing(written, complete, &format!("{path}[{at}]"), found);
            }
        }
        _ => {}
    }
}

fn is_name(name: &str) -> bool {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.';
    let ends = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    name.len() <= 63 && name.chars().all(fits) && name.starts_with(ends) && name.ends_with(ends)
}
