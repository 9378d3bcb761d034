//! One row for each thing that a check must find: what is broken in a sound rendering, and what must be said of it.

use serde_json::{Value, json};

/// What is broken, and how.
pub enum Do {
    /// Puts a value at a JSON pointer, over what was there or new.
    Put(&'static str, Value),
    /// Takes away what is at a JSON pointer.
    Take(&'static str),
    /// Replaces text in the text at a JSON pointer.
    Edit(&'static str, &'static str, &'static str),
    /// Takes the whole object away.
    Remove,
}

use Do::{Edit, Put, Remove, Take};

/// Kind, beginning of the name, what is done, and a part of the complaint.
pub type Breakage = (&'static str, &'static str, Do, &'static str);

#[allow(clippy::too_many_lines)]
/// Of the base.
pub fn breakages() -> Vec<Breakage> {
    vec![
        // Fields, types, words.
        (
            "StatefulSet",
            "mysql",
            Put("/spec/template/spec/containers/0/imagePulPolicy", json!("Always")),
            "deploy/base/mysql/statefulset.yaml: StatefulSet/mysql: spec.template.spec.containers[0].imagePulPolicy: \
             is a field that does not exist here",
        ),
        ("Deployment", "mysql-proxy", Put("/spec/replicas", json!("2")), "spec.replicas: invalid type: string \"2\""),
        ("Service", "mysql-read", Take("/spec/ports/0/port"), "Service/mysql-read: spec.ports[0].port: is missing"),
        (
            "StatefulSet",
            "mysql",
            Put("/spec/updateStrategy/type", json!("Rolling")),
            "spec.updateStrategy.type: \"Rolling\" is none of RollingUpdate, OnDelete",
        ),
        (
            "StatefulSet",
            "mysql",
            Put("/spec/template/spec/containers/0/env/0/valueFrom/fieldRef/fieldPath", json!("metadata.hostname")),
            "is no field that a pod tells of itself",
        ),
        ("ConfigMap", "mysql-scripts", Put("/data/number", json!(3)), "data.number: invalid type"),
        ("Service", "mysql", Put("/apiVersion", json!("v2")), "kind: there is no kind \"Service\" in \"v2\""),
        ("Service", "mysql-read", Put("/metadata/name", json!("MySQL")), "metadata.name: is not a DNS name"),
        ("Service", "mysql-read", Put("/metadata/name", json!("mysql-proxy")), "metadata.name: is there twice"),
        (
            "Service",
            "mysql-read",
            Put("/metadata/labels/owner", json!("a b")),
            "metadata.labels[owner]: \"a b\" cannot be the value of a label",
        ),
        // Selectors and targets.
        (
            "StatefulSet",
            "mysql",
            Take("/spec/template/metadata/labels/app.kubernetes.io~1name"),
            "StatefulSet/mysql: spec.selector: does not select the pods of its own template",
        ),
        (
            "StatefulSet",
            "mysql",
            Take("/spec/template/metadata/labels/app.kubernetes.io~1name"),
            "Service/mysql: spec.selector: selects no pod",
        ),
        (
            "Service",
            "mysql-primary",
            Put("/spec/selector/statefulset.kubernetes.io~1pod-name", json!("mysql-3")),
            "Service/mysql-primary: spec.selector: selects no pod",
        ),
        (
            "PodDisruptionBudget",
            "mysql-proxy",
            Put("/spec/selector/matchLabels/app.kubernetes.io~1name", json!("proxy")),
            "PodDisruptionBudget/mysql-proxy: spec.selector: does not select the pods of one owner",
        ),
        (
            "PodDisruptionBudget",
            "mysql-proxy",
            Put("/spec/selector/matchLabels/app.kubernetes.io~1name", json!("mysql")),
            "spec.selector: selects pods that PodDisruptionBudget/mysql has too",
        ),
        (
            "NetworkPolicy",
            "mysql",
            Put("/spec/podSelector/matchLabels/app.kubernetes.io~1name", json!("mysqld")),
            "NetworkPolicy/mysql: spec.podSelector: selects no pod",
        ),
        (
            "NetworkPolicy",
            "mysql-proxy",
            Put("/spec/ingress/0/ports/0/port", json!(3308)),
            "spec.ingress[0].ports[0].port: 3308 is no port of the pods of Deployment/mysql-proxy",
        ),
        (
            "HorizontalPodAutoscaler",
            "mysql-proxy",
            Put("/spec/scaleTargetRef/name", json!("proxy")),
            "spec.scaleTargetRef: there is no Deployment/proxy of apps/v1",
        ),
        (
            "Deployment",
            "mysql-proxy",
            Take("/spec/template/spec/containers/0/resources/requests/cpu"),
            "HorizontalPodAutoscaler/mysql-proxy: spec.metrics[0]: container mysql-proxy of Deployment/mysql-proxy \
             requests no cpu",
        ),
        (
            "Deployment",
            "mysql-proxy",
            Put("/spec/replicas", json!(1)),
            "spec.scaleTargetRef: Deployment/mysql-proxy has spec.replicas, so each apply undoes the scaling",
        ),
        (
            "StatefulSet",
            "mysql",
            Put("/spec/serviceName", json!("mysqls")),
            "StatefulSet/mysql: spec.serviceName: there is no Service/mysqls",
        ),
        (
            "Service",
            "mysql",
            Take("/spec/clusterIP"),
            "StatefulSet/mysql: spec.serviceName: Service/mysql is not headless: its clusterIP is not None",
        ),
        (
            "Deployment",
            "mysql-proxy",
            Put(
                "/spec/template/spec/topologySpreadConstraints/0/labelSelector/matchLabels/app.kubernetes.io~1name",
                json!("proxy"),
            ),
            "topologySpreadConstraints[0].labelSelector: selects no pod",
        ),
        // Ports.
        (
            "Service",
            "mysql-proxy",
            Put("/spec/ports/0/targetPort", json!("mysqls")),
            "Service/mysql-proxy: spec.ports[0].targetPort: \"mysqls\" is no port of the pods of Deployment/mysql-proxy",
        ),
        (
            "StatefulSet",
            "mysql",
            Put("/spec/template/spec/containers/0/ports/0/name", json!("sql")),
            "Service/mysql: spec.ports[0].targetPort: \"mysql\" is no port of the pods of StatefulSet/mysql",
        ),
        (
            "Deployment",
            "mysql-proxy",
            Put("/spec/template/spec/containers/0/readinessProbe/httpGet/port", json!("web")),
            "spec.template.spec.containers[mysql-proxy].readinessProbe.httpGet.port: \"web\" is no port of the container",
        ),
        (
            "Deployment",
            "mysql-proxy",
            Put("/spec/template/spec/containers/0/ports/1/name", json!("mysql")),
            "spec.template.spec.containers[mysql-proxy].ports[3307]: its name or number is there twice",
        ),
        ("Service", "mysql-proxy", Take("/spec/ports/1/name"), "spec.ports[1].name: is missing or there twice"),
        // References.
        (
            "ConfigMap",
            "mysql-scripts",
            Remove,
            "StatefulSet/mysql: spec.template.spec.volumes[scripts].configMap: there is no \"mysql-scripts-",
        ),
        (
            "ConfigMap",
            "mysql-scripts",
            Take("/data/alive.sh"),
            "containers[mysql].startupProbe.exec.command: /scripts/alive.sh is in no ConfigMap or Secret",
        ),
        ("ConfigMap", "mysql-", Take("/data/common.cnf"), "/config/common.cnf is in no ConfigMap or Secret"),
        (
            "Secret",
            "mysql",
            Take("/data/monitor-password"),
            "Deployment/mysql-proxy: spec.template.spec.volumes[secrets].secret: Secret/mysql has no key \
             \"monitor-password\"",
        ),
        (
            "Deployment",
            "mysql-proxy",
            Put("/spec/template/spec/serviceAccountName", json!("proxy")),
            "spec.template.spec.serviceAccountName: there is no ServiceAccount/proxy",
        ),
        (
            "Deployment",
            "mysql-proxy",
            Put("/spec/template/spec/serviceAccountName", json!("default")),
            "ServiceAccount/mysql-proxy: metadata.name: nobody uses it",
        ),
        (
            "StatefulSet",
            "mysql",
            Put("/spec/volumeClaimTemplates/0/metadata/name", json!("datas")),
            "spec.template.spec.containers[mysql].volumeMounts[data]: there is no volume of this name",
        ),
        (
            "StatefulSet",
            "mysql",
            Put("/spec/volumeClaimTemplates/0/spec/storageClassName", json!("fast")),
            "spec.volumeClaimTemplates[0].spec.storageClassName: there is no StorageClass/fast",
        ),
        (
            "Deployment",
            "mysql-proxy",
            Put("/spec/template/spec/volumes/2", json!({"name": "more", "emptyDir": {}})),
            "spec.template.spec.volumes[more]: no container mounts it",
        ),
        (
            "Deployment",
            "mysql-proxy",
            Put("/spec/template/spec/volumes/2", json!({"name": "c", "persistentVolumeClaim": {"claimName": "x"}})),
            "volumes[c].persistentVolumeClaim: there is no PersistentVolumeClaim/x",
        ),
        (
            "Deployment",
            "mysql-proxy",
            Put("/spec/template/spec/containers/0/volumeMounts/0/subPath", json!("proxy.toml")),
            "volumeMounts[config].subPath: the volume has no file \"proxy.toml\"",
        ),
        (
            "Deployment",
            "mysql-proxy",
            Put("/spec/template/spec/containers/0/volumeMounts/1/mountPath", json!("/etc/mysql-proxy/config")),
            "volumeMounts[secrets]: /etc/mysql-proxy/config is mounted twice",
        ),
        (
            "Deployment",
            "mysql-proxy",
            Put(
                "/spec/template/spec/containers/0/env",
                json!([{"name": "X", "valueFrom": {"secretKeyRef": {"name": "mysql", "key": "no"}}}]),
            ),
            "containers[mysql-proxy].env[X].valueFrom.secretKeyRef: Secret/mysql has no key \"no\"",
        ),
        (
            "Deployment",
            "mysql-proxy",
            Put("/spec/template/spec/containers/0/envFrom", json!([{"configMapRef": {"name": "settings"}}])),
            "containers[mysql-proxy].envFrom[0]: there is no ConfigMap/settings",
        ),
        (
            "Deployment",
            "mysql-proxy",
            Put("/spec/template/spec/containers/0/args/4", json!("$(FORMAT)")),
            "containers[mysql-proxy].args: $(FORMAT) is no variable of the container",
        ),
        // What every pod must hold to.
        (
            "Deployment",
            "mysql-proxy",
            Put("/spec/template/spec/securityContext/runAsNonRoot", json!(false)),
            "containers[mysql-proxy].securityContext.runAsNonRoot: is not true",
        ),
        (
            "StatefulSet",
            "mysql",
            Put("/spec/template/spec/securityContext/runAsUser", json!(0)),
            "containers[mysql].securityContext.runAsUser: is root or not said",
        ),
        (
            "Deployment",
            "mysql-proxy",
            Take("/spec/template/spec/containers/0/securityContext/readOnlyRootFilesystem"),
            "securityContext.readOnlyRootFilesystem: is not true",
        ),
        (
            "Deployment",
            "mysql-proxy",
            Put("/spec/template/spec/containers/0/securityContext/capabilities/drop", json!([])),
            "securityContext.capabilities.drop: is not [ALL]",
        ),
        (
            "Deployment",
            "mysql-proxy",
            Take("/spec/template/spec/containers/0/securityContext/allowPrivilegeEscalation"),
            "securityContext.allowPrivilegeEscalation: is not false",
        ),
        (
            "StatefulSet",
            "mysql",
            Take("/spec/template/spec/securityContext/seccompProfile"),
            "initContainers[configure].securityContext.seccompProfile: is missing",
        ),
        (
            "StatefulSet",
            "mysql",
            Take("/spec/template/spec/automountServiceAccountToken"),
            "spec.template.spec.automountServiceAccountToken: is not false",
        ),
        (
            "Deployment",
            "mysql-proxy",
            Put("/spec/template/spec/containers/0/resources/requests/memory", json!("2Gi")),
            "containers[mysql-proxy].resources.requests: asks for 2Gi memory, and the limit is 512Mi",
        ),
        (
            "Deployment",
            "mysql-proxy",
            Put("/spec/template/spec/containers/0/resources/limits/memory", json!("512MB")),
            "resources.limits: \"512MB\" is no amount of memory",
        ),
        ("StatefulSet", "mysql", Take("/spec/template/spec/containers/0/resources"), "resources.requests: has no cpu"),
        (
            "StatefulSet",
            "mysql",
            Put("/spec/template/spec/containers/0/image", json!("mysql:latest")),
            "containers[mysql].image: \"mysql:latest\" is not pinned to a version",
        ),
        (
            "StatefulSet",
            "mysql",
            Put("/spec/template/spec/initContainers/0/image", json!("mysql")),
            "initContainers[configure].image: \"mysql\" is not pinned to a version",
        ),
        (
            "Secret",
            "mysql",
            Put("/data/root-password", json!("")),
            "Secret/mysql: data[root-password]: is an empty password",
        ),
        (
            "StatefulSet",
            "mysql",
            Put("/spec/template/spec/containers/0/env/1", json!({"name": "MYSQL_ALLOW_EMPTY_PASSWORD", "value": "1"})),
            "containers[mysql].env: MYSQL_ALLOW_EMPTY_PASSWORD lets root in without a password",
        ),
        (
            "StatefulSet",
            "mysql",
            Put("/spec/template/spec/containers/0/env/1", json!({"name": "MYSQL_ROOT_PASSWORD", "value": "x"})),
            "containers[mysql].env: MYSQL_ROOT_PASSWORD stands here and not in a Secret",
        ),
        (
            "Service",
            "mysql",
            Put("/metadata/namespace", json!("mysql")),
            "Service/mysql: metadata.namespace: has no place in the base",
        ),
        // Shell.
        (
            "ConfigMap",
            "mysql-scripts",
            Edit("/data/alive.sh", "timeout 8", "if timeout 8"),
            "data[alive.sh]: alive.sh: line",
        ),
        ("ConfigMap", "mysql-scripts", Edit("/data/alive.sh", "\"$(dirname \"$0\")/", "$(dirname $0)/\""), "[SC2086]"),
        (
            "StatefulSet",
            "mysql",
            Put("/spec/template/spec/containers/0/livenessProbe/exec/command", json!(["sh", "-c", "a=(1 2)"])),
            "containers[mysql].livenessProbe.exec.command: inline: ",
        ),
        (
            "StatefulSet",
            "mysql",
            Put("/spec/template/spec/containers/0/livenessProbe/exec/command", json!(["bash", "-ec", "echo $x"])),
            "containers[mysql].livenessProbe.exec.command: inline:1:6: ",
        ),
        // The proxy's own file.
        (
            "ConfigMap",
            "mysql-proxy",
            Edit("/data/mysql-proxy.toml", "drain_timeout =", "drain_time ="),
            "mysql-proxy check: /etc/mysql-proxy/config/mysql-proxy.toml:",
        ),
        (
            "ConfigMap",
            "mysql-proxy",
            Edit("/data/mysql-proxy.toml", "secrets/monitor", "secret/monitor"),
            "monitor.password_file",
        ),
        (
            "ConfigMap",
            "mysql-proxy",
            Edit("/data/mysql-proxy.toml", "0.0.0.0:3307", "0.0.0.0:3308"),
            "listen.read_only: 0.0.0.0:3308 is no port of the container",
        ),
        (
            "ConfigMap",
            "mysql-proxy",
            Edit("/data/mysql-proxy.toml", "service = \"mysql\"", "service = \"mysqls\""),
            "cluster.service: there is no Service/mysqls",
        ),
        (
            "ConfigMap",
            "mysql-proxy",
            Edit("/data/mysql-proxy.toml", "\"mysql-0.mysql\"", "\"mysql-3.mysql\""),
            "cluster.primary: mysql-3.mysql is none of mysql-0.mysql, mysql-1.mysql, mysql-2.mysql",
        ),
        (
            "ConfigMap",
            "mysql-proxy",
            Edit("/data/mysql-proxy.toml", "drain_timeout = \"30s\"", "drain_timeout = \"10m\""),
            "terminationGracePeriodSeconds: preStop and limits.drain_timeout take 605 s, and the pod is killed after 45 s",
        ),
    ]
}

/// The same for the base with monitoring.
pub fn breakages_of_monitoring() -> Vec<Breakage> {
    vec![
        (
            "ServiceMonitor",
            "mysql-proxy",
            Put("/spec/selector/matchLabels/app.kubernetes.io~1name", json!("proxy")),
            "deploy/components/monitoring/servicemonitor.yaml: ServiceMonitor/mysql-proxy: spec.selector: selects no \
             Service",
        ),
        (
            "ServiceMonitor",
            "mysql-proxy",
            Put("/spec/endpoints/0/port", json!("metrics")),
            "spec.endpoints[0].port: no selected Service has a port named \"metrics\"",
        ),
        ("ServiceMonitor", "mysql-proxy", Put("/spec/endpoint", json!([])), "spec.endpoint: unknown field `endpoint`"),
        (
            "PrometheusRule",
            "mysql-proxy",
            Take("/spec/groups/0/rules/0/annotations/summary"),
            "PrometheusRule/mysql-proxy: spec.groups[0].rules[0].annotations: missing field `summary`",
        ),
        (
            "PrometheusRule",
            "mysql-proxy",
            Put("/spec/groups/0/rules/0/labels/severity", json!("fatal")),
            "spec.groups[0].rules[0].labels.severity: \"fatal\" is none of critical, warning, info",
        ),
        (
            "PrometheusRule",
            "mysql-proxy",
            Put("/spec/groups/0/rules/0/expr", json!("mysql_proxy_member_ups < 1")),
            "spec.groups[0].rules[0].expr: the proxy shows no metric mysql_proxy_member_ups",
        ),
        (
            "ConfigMap",
            "mysql-proxy-dashboard",
            Edit("/data/dashboard.json", "mysql_proxy_held_statements{", "mysql_proxy_waiting{"),
            "data[dashboard.json].panels[4].targets[0].expr: the proxy shows no metric mysql_proxy_waiting",
        ),
    ]
}
