//! Values that must be one of a few words, or of a form: Kubernetes' definitions have them as plain strings.

use crate::document::{Complaint, Rendering, walk};

/// The end of a path (`[]` for any item of a list), and what may stand there.
const WORDS: &[(&str, &[&str])] = &[
    ("imagePullPolicy", &["Always", "IfNotPresent", "Never"]),
    ("restartPolicy", &["Always", "OnFailure", "Never"]),
    ("dnsPolicy", &["ClusterFirst", "ClusterFirstWithHostNet", "Default", "None"]),
    ("ports[].protocol", &["TCP", "UDP", "SCTP"]),
    ("httpGet.scheme", &["HTTP", "HTTPS"]),
    ("spec.type", &["ClusterIP", "NodePort", "LoadBalancer", "ExternalName"]),
    ("strategy.type", &["RollingUpdate", "Recreate"]),
    ("updateStrategy.type", &["RollingUpdate", "OnDelete"]),
    ("spec.podManagementPolicy", &["OrderedReady", "Parallel"]),
    ("persistentVolumeClaimRetentionPolicy.whenDeleted", &["Retain", "Delete"]),
    ("persistentVolumeClaimRetentionPolicy.whenScaled", &["Retain", "Delete"]),
    ("accessModes[]", &["ReadWriteOnce", "ReadOnlyMany", "ReadWriteMany", "ReadWriteOncePod"]),
    ("volumeMode", &["Filesystem", "Block"]),
    ("reclaimPolicy", &["Retain", "Delete"]),
    ("persistentVolumeReclaimPolicy", &["Retain", "Delete"]),
    ("volumeBindingMode", &["Immediate", "WaitForFirstConsumer"]),
    ("emptyDir.medium", &["", "Memory"]),
    ("whenUnsatisfiable", &["DoNotSchedule", "ScheduleAnyway"]),
    ("matchExpressions[].operator", &["In", "NotIn", "Exists", "DoesNotExist"]),
    ("tolerations[].operator", &["Exists", "Equal"]),
    ("tolerations[].effect", &["NoSchedule", "PreferNoSchedule", "NoExecute"]),
    ("policyTypes[]", &["Ingress", "Egress"]),
    ("seccompProfile.type", &["RuntimeDefault", "Localhost"]),
    ("capabilities.drop[]", &["ALL"]),
    ("fsGroupChangePolicy", &["OnRootMismatch", "Always"]),
    ("terminationMessagePolicy", &["File", "FallbackToLogsOnError"]),
    ("unhealthyPodEvictionPolicy", &["IfHealthyBudget", "AlwaysAllow"]),
    ("concurrencyPolicy", &["Allow", "Forbid", "Replace"]),
    ("completionMode", &["NonIndexed", "Indexed"]),
    ("metrics[].type", &["Resource", "Pods", "Object", "External", "ContainerResource"]),
    ("resource.target.type", &["Utilization", "Value", "AverageValue"]),
    ("policies[].type", &["Pods", "Percent"]),
    ("scaleUp.selectPolicy", &["Max", "Min", "Disabled"]),
    ("scaleDown.selectPolicy", &["Max", "Min", "Disabled"]),
    ("internalTrafficPolicy", &["Cluster", "Local"]),
    ("externalTrafficPolicy", &["Cluster", "Local"]),
    ("sessionAffinity", &["None", "ClientIP"]),
    ("ipFamilyPolicy", &["SingleStack", "PreferDualStack", "RequireDualStack"]),
    ("topologyKey", &["kubernetes.io/hostname", "topology.kubernetes.io/zone", "topology.kubernetes.io/region"]),
    ("rules[].labels.severity", &["critical", "warning", "info"]),
];

/// Fields whose names may only be followed by these; all else that the downward API has is not for us.
const POD_FIELDS: &[&str] =
    &["metadata.name", "metadata.namespace", "metadata.uid", "spec.nodeName", "status.podIP", "status.hostIP"];

/// All complaints about a rendering.
pub fn check(rendering: &Rendering) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    for document in &rendering.documents {
        walk(&document.value, "", &mut |path, value| {
            let general = without_numbers(path);
            let shown = value.as_str().unwrap_or_default();
            for (end, words) in WORDS.iter().filter(|(end, _)| ends_with(&general, end)) {
                let is_word = value.is_string() && words.contains(&shown);
                // `spec.type` is also a field of an object of our own in a ConfigMap, …: only text counts.
                if !is_word && (value.is_string() || !value.is_object()) && applies(end, document.kind()) {
                    complaints.push(document.complaint(path, format!("{value} is none of {}", words.join(", "))));
                }
            }
            if ends_with(&general, "fieldRef.fieldPath") && !is_pod_field(shown) {
                complaints.push(document.complaint(path, format!("{value} is no field that a pod tells of itself")));
            }
            if is_labels(&general, document.kind()) {
                for (key, value) in value.as_object().into_iter().flatten() {
                    if !value.as_str().is_some_and(is_label_value) {
                        let path = format!("{path}[{key}]");
                        complaints.push(document.complaint(path, format!("{value} cannot be the value of a label")));
                    }
                }
            }
        });
    }
    complaints
}

fn applies(end: &str, kind: &str) -> bool {
    end != "spec.type" || kind == "Service"
}

fn is_pod_field(path: &str) -> bool {
    POD_FIELDS.contains(&path) || path.starts_with("metadata.labels['") || path.starts_with("metadata.annotations['")
}

fn is_labels(path: &str, kind: &str) -> bool {
    let is_rule = kind == "PrometheusRule" && path != "metadata.labels";
    !is_rule && (ends_with(path, "metadata.labels") || ends_with(path, "matchLabels"))
}

fn is_label_value(value: &str) -> bool {
    let ends = |c: char| c.is_ascii_alphanumeric();
    let fits = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    value.is_empty() || value.len() <= 63 && value.chars().all(fits) && value.starts_with(ends) && value.ends_with(ends)
}

/// `ports[3].protocol` is `ports[].protocol`.
fn without_numbers(path: &str) -> String {
    path.split('[').enumerate().fold(String::new(), |mut general, (at, part)| {
        if at > 0 {
            general.push('[');
            general.push_str(part.trim_start_matches(|c: char| c.is_ascii_digit()));
        } else {
            general.push_str(part);
        }
        general
    })
}

fn ends_with(path: &str, end: &str) -> bool {
    path.strip_suffix(end).is_some_and(|before| before.is_empty() || before.ends_with('.'))
}
