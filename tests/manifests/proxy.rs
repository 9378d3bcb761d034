//! The proxy's own configuration, as its container would read it: asked of `mysql-proxy check`, and compared with the pod.
//!
//! Knows how files and variables reach the container. Must not know the keys' ranges: the proxy knows them.

use std::fs;
use std::process::Command;

use k8s_openapi::api::core::v1::{Container, EnvVar};
use serde_json::Value;

use crate::document::{Complaint, Document, Rendering, text};
use crate::mounted::{Files, entries, files};
use crate::pods::{Pods, pods};

const DEFAULT_FILE: &str = "/etc/mysql-proxy/mysql-proxy.toml";
const NOT_OFFERED: &str = "is not offered in this version yet";

/// What came of it.
pub struct Checked {
    /// What is wrong.
    pub complaints: Vec<Complaint>,
    /// What the proxy named by the manifests does not offer yet: there is nothing to compare then.
    pub not_offered: Option<String>,
}

/// Whether the container runs the proxy, whatever its image is called.
pub fn is_proxy(container: &Container) -> bool {
    container.args.iter().flatten().next().is_some_and(|first| first == "run") && container.name == "mysql-proxy"
}

/// Asks about every proxy of a rendering.
pub fn check(rendering: &Rendering) -> Checked {
    let mut checked = Checked { complaints: Vec::new(), not_offered: None };
    let mut proxies = 0;
    for pods in pods(rendering) {
        for container in pods.spec.containers.iter().filter(|container| is_proxy(container)) {
            proxies += 1;
            match ask(&pods, container, rendering) {
                Ok(settings) => checked.complaints.extend(compare(&pods, container, &settings, rendering)),
                Err(why) if why.contains(NOT_OFFERED) => checked.not_offered = Some(why),
                Err(why) => checked.complaints.push(configuration(&pods, container, rendering, &why)),
            }
        }
    }
    if proxies != 1 {
        let any = rendering.documents.first().unwrap();
        let wrong = format!("{proxies} containers of {} run the proxy", rendering.folder);
        checked.complaints.push(any.complaint("containers", wrong));
    }
    checked
}

/// What is in effect, by the proxy's own word, or its complaint.
fn ask(pods: &Pods<'_>, container: &Container, rendering: &Rendering) -> Result<toml::Table, String> {
    let folder = tempfile::tempdir().unwrap();
    let files = files(pods, container, rendering);
    let here = |path: &str| format!("{}{path}", folder.path().display());
    for (path, content) in &files {
        let content = String::from_utf8(content.clone()).unwrap();
        let moved = files.keys().rev().fold(content, |content, other| content.replace(other, &here(other)));
        fs::create_dir_all(folder.path().join(path.trim_start_matches('/')).parent().unwrap()).unwrap();
        fs::write(here(path), moved).unwrap();
    }
    let mut command = Command::new(env!("CARGO_BIN_EXE_mysql-proxy"));
    command.env_clear().arg("check").arg("--config").arg(here(&file_of(container)));
    for variable in container.env.iter().flatten() {
        if let Some(value) = value_of(variable, rendering) {
            let moved = if files.contains_key(&value) { here(&value) } else { value };
            command.env(&variable.name, moved);
        }
    }
    let output = command.output().unwrap();
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).replace(&*folder.path().to_string_lossy(), "");
        return Err(said.trim_end().to_owned());
    }
    String::from_utf8_lossy(&output.stdout).parse().map_err(|why| format!("check printed no TOML: {why}"))
}

/// Which file the container reads.
fn file_of(container: &Container) -> String {
    let mut arguments = container.args.iter().flatten();
    let by_argument = arguments.find(|argument| *argument == "--config").and_then(|_| arguments.next());
    let mut variables = container.env.iter().flatten();
    let by_variable = variables.find(|variable| variable.name == "MYSQL_PROXY_CONFIG").and_then(|it| it.value.as_ref());
    by_argument.or(by_variable).map_or(DEFAULT_FILE.to_owned(), Clone::clone)
}

fn value_of(variable: &EnvVar, rendering: &Rendering) -> Option<String> {
    if variable.value.is_some() {
        return variable.value.clone();
    }
    let source = variable.value_from.as_ref()?;
    let map = source.config_map_key_ref.as_ref().map(|it| ("ConfigMap", &it.name, &it.key));
    let secret = source.secret_key_ref.as_ref().map(|it| ("Secret", &it.name, &it.key));
    let (kind, name, key) = map.or(secret)?;
    let files: Files = entries(rendering.find(kind, name)?);
    String::from_utf8(files.get(key)?.clone()).ok()
}

/// A complaint of the proxy's, at the ConfigMap that it is about.
fn configuration(pods: &Pods<'_>, container: &Container, rendering: &Rendering, why: &str) -> Complaint {
    let name = file_of(container).rsplit('/').next().unwrap_or_default().to_owned();
    let has_file = |document: &&Document| entries(document).contains_key(&name);
    let wrong = format!("mysql-proxy check: {why}");
    match rendering.of_kind("ConfigMap").find(has_file) {
        Some(document) => document.complaint(format!("data[{name}]"), wrong),
        None => pods.owner.complaint(format!("{}.containers[{}].args", pods.path, container.name), wrong),
    }
}

/// The configuration and the manifests say the same of ports, members and times.
fn compare(pods: &Pods<'_>, container: &Container, settings: &toml::Table, rendering: &Rendering) -> Vec<Complaint> {
    let wrong = |why: String| configuration(pods, container, rendering, &why);
    let mut complaints = Vec::new();
    for key in ["read_write", "read_only", "admin_http"] {
        let address = setting(settings, "listen", key);
        let port: Option<i64> = address.rsplit_once(':').and_then(|(_, port)| port.parse().ok());
        if port.is_some_and(|port| !pods.has_port(&Value::from(port))) {
            complaints.push(wrong(format!("listen.{key}: {address} is no port of the container")));
        }
    }
    complaints.extend(members(settings, rendering).map(wrong));
    let seconds = |text: &str| humantime_seconds(text);
    let before = container.lifecycle.as_ref().and_then(|it| it.pre_stop.as_ref()).and_then(|it| it.sleep.as_ref());
    let needed = before.map_or(0, |sleep| sleep.seconds) + seconds(setting(settings, "limits", "drain_timeout"));
    let granted = pods.spec.termination_grace_period_seconds.unwrap_or(30);
    if needed >= granted {
        let why = format!("preStop and limits.drain_timeout take {needed} s, and the pod is killed after {granted} s");
        complaints.push(pods.complaint("terminationGracePeriodSeconds", why));
    }
    complaints
}

/// `cluster.service` and `cluster.primary` are names that the rendering's pods have.
fn members(settings: &toml::Table, rendering: &Rendering) -> Option<String> {
    let (service, primary) = (setting(settings, "cluster", "service"), setting(settings, "cluster", "primary"));
    let (name, namespace) = service.split_once('.').map_or((service, ""), |(name, rest)| (name, rest));
    let Some(found) = rendering.find("Service", name) else {
        return Some(format!("cluster.service: there is no Service/{name}"));
    };
    if text(&found.value, "/spec/clusterIP") != "None" {
        return Some(format!("cluster.service: Service/{name} is not headless"));
    }
    let own_namespace = text(&found.value, "/metadata/namespace");
    if !namespace.is_empty() && namespace.split('.').next() != Some(own_namespace) {
        return Some(format!("cluster.service: Service/{name} is in the namespace {own_namespace:?}"));
    }
    let governed = |set: &&Document| text(&set.value, "/spec/serviceName") == name;
    let pod_names = rendering.of_kind("StatefulSet").filter(governed).flat_map(|set| {
        let replicas = set.value.pointer("/spec/replicas").and_then(Value::as_u64).unwrap_or(1);
        (0..replicas).map(|ordinal| format!("{}-{ordinal}.{service}", set.name()))
    });
    let pod_names: Vec<String> = pod_names.collect();
    if primary != "auto" && !pod_names.iter().any(|pod| pod == primary) {
        return Some(format!("cluster.primary: {primary} is none of {}", pod_names.join(", ")));
    }
    None
}

fn setting<'s>(settings: &'s toml::Table, section: &str, key: &str) -> &'s str {
    settings.get(section).and_then(|section| section.get(key)).and_then(toml::Value::as_str).unwrap_or_default()
}

/// `30s`, `2m` or `1h`; less than a second is one.
fn humantime_seconds(text: &str) -> i64 {
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    let number: i64 = number.parse().unwrap();
    match unit {
        "ms" => number / 1000 + 1,
        "s" => number,
        "m" => number * 60,
        _ => number * 3600,
    }
}

/// The base's configuration is that of the proxies alone, and one line more: kustomize replaces a file as a whole.
#[test]
fn the_base_says_what_the_proxies_alone_say() {
    let read = |path| std::fs::read_to_string(crate::render::root().join(path)).unwrap();
    let [base, alone] = ["deploy/base/mysql-proxy.toml", "deploy/base/proxy/mysql-proxy.toml"].map(read);
    assert_eq!(base.replacen("primary_service = \"mysql-primary\"\n", "", 1), alone);
    assert_ne!(base, alone);
}
