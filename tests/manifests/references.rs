//! References that resolve: ConfigMaps, Secrets, ServiceAccounts, claims, storage classes, volumes, variables, files.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::{ConfigMapKeySelector, Container, EnvVarSource, SecretKeySelector, Volume};

use crate::document::{Complaint, Document, Rendering, text, walk};
use crate::mounted::{Contents, contents, entries, files};
use crate::pods::{Placed, Pods, pods};
use crate::scripts;

/// All complaints about a rendering.
pub fn check(rendering: &Rendering) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    for pods in pods(rendering) {
        complaints.extend(volumes(&pods, rendering));
        complaints.extend(account(&pods, rendering));
        for placed in pods.containers() {
            complaints.extend(mounts(&pods, &placed, rendering));
            complaints.extend(variables(&pods, &placed, rendering));
            complaints.extend(paths(&pods, &placed, rendering));
        }
    }
    complaints.extend(storage_classes(rendering));
    complaints.extend(unused(rendering));
    complaints
}

/// Each volume can be made, and is mounted by somebody.
fn volumes(pods: &Pods<'_>, rendering: &Rendering) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    let containers = pods.containers();
    let mounted: BTreeSet<&str> = containers
        .iter()
        .flat_map(|it| it.container.volume_mounts.iter().flatten())
        .map(|it| it.name.as_str())
        .collect();
    for volume in pods.spec.volumes.iter().flatten() {
        let field = format!("volumes[{}]", volume.name);
        if let Contents::Wrong { field: part, why } = contents(volume, rendering) {
            complaints.push(pods.complaint(&format!("{field}.{part}"), why));
        }
        if let Some(claim) = claim_that_is_missing(volume, rendering) {
            let why = format!("there is no PersistentVolumeClaim/{claim}");
            complaints.push(pods.complaint(&format!("{field}.persistentVolumeClaim"), why));
        }
        if !mounted.contains(volume.name.as_str()) {
            complaints.push(pods.complaint(&field, "no container mounts it"));
        }
    }
    complaints
}

fn claim_that_is_missing<'v>(volume: &'v Volume, rendering: &Rendering) -> Option<&'v str> {
    let claim = &volume.persistent_volume_claim.as_ref()?.claim_name;
    rendering.find("PersistentVolumeClaim", claim).is_none().then_some(claim)
}

fn account(pods: &Pods<'_>, rendering: &Rendering) -> Vec<Complaint> {
    let name = pods.spec.service_account_name.as_deref().unwrap_or("default");
    if name == "default" || rendering.find("ServiceAccount", name).is_some() {
        return Vec::new();
    }
    vec![pods.complaint("serviceAccountName", format!("there is no ServiceAccount/{name}"))]
}

/// Each mount is of a volume or a claim, each path is there once, each `subPath` is a key.
fn mounts(pods: &Pods<'_>, placed: &Placed<'_>, rendering: &Rendering) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    let mut seen = BTreeSet::new();
    for mount in placed.container.volume_mounts.iter().flatten() {
        let field = format!("{}.volumeMounts[{}]", placed.path, mount.name);
        let volume = pods.spec.volumes.iter().flatten().find(|volume| volume.name == mount.name);
        if volume.is_none() && !pods.claims().contains(&mount.name.as_str()) {
            complaints.push(pods.owner.complaint(&field, "there is no volume of this name"));
        }
        if !seen.insert(&mount.mount_path) {
            complaints.push(pods.owner.complaint(&field, format!("{} is mounted twice", mount.mount_path)));
        }
        let (Some(key), Some(volume)) = (&mount.sub_path, volume) else { continue };
        if let Contents::Files(files) = contents(volume, rendering)
            && !files.contains_key(key)
        {
            let field = format!("{field}.subPath");
            complaints.push(pods.owner.complaint(field, format!("the volume has no file {key:?}")));
        }
    }
    complaints
}

/// Each variable has a value, by a key that exists, and each `$(NAME)` is one of them.
fn variables(pods: &Pods<'_>, placed: &Placed<'_>, rendering: &Rendering) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    let mut seen = BTreeSet::new();
    for variable in placed.container.env.iter().flatten() {
        let field = format!("{}.env[{}]", placed.path, variable.name);
        if !seen.insert(variable.name.as_str()) {
            complaints.push(pods.owner.complaint(&field, "is there twice"));
        }
        let wrong = variable.value_from.as_ref().and_then(|source| unresolved(source, rendering));
        complaints.extend(wrong.map(|(part, why)| pods.owner.complaint(format!("{field}.valueFrom.{part}"), why)));
    }
    for (at, source) in placed.container.env_from.iter().flatten().enumerate() {
        let map = source.config_map_ref.as_ref().map(|it| ("ConfigMap", &it.name));
        let secret = source.secret_ref.as_ref().map(|it| ("Secret", &it.name));
        for (kind, name) in map.into_iter().chain(secret) {
            if rendering.find(kind, name).is_none() {
                let field = format!("{}.envFrom[{at}]", placed.path);
                complaints.push(pods.owner.complaint(field, format!("there is no {kind}/{name}")));
            }
        }
    }
    let arguments = placed.container.command.iter().chain(&placed.container.args).flatten();
    // In a shell's script `$(…)` is the shell's own.
    for argument in arguments.filter(|argument| !argument.contains([' ', '\n'])) {
        for name in argument.split("$(").skip(1).filter_map(|rest| rest.split_once(')')).map(|(name, _)| name) {
            if !seen.contains(name) {
                let wrong = format!("$({name}) is no variable of the container");
                complaints.push(pods.owner.complaint(format!("{}.args", placed.path), wrong));
            }
        }
    }
    complaints
}

fn unresolved(source: &EnvVarSource, rendering: &Rendering) -> Option<(&'static str, String)> {
    let lacks = |kind: &str, name: &str, key: &str| match rendering.find(kind, name) {
        None => Some(format!("there is no {kind}/{name}")),
        Some(document) if !entries(document).contains_key(key) => Some(format!("{kind}/{name} has no key {key:?}")),
        Some(_) => None,
    };
    if let Some(ConfigMapKeySelector { key, name, .. }) = &source.config_map_key_ref {
        return lacks("ConfigMap", name, key).map(|why| ("configMapKeyRef", why));
    }
    if let Some(SecretKeySelector { key, name, .. }) = &source.secret_key_ref {
        return lacks("Secret", name, key).map(|why| ("secretKeyRef", why));
    }
    None
}

/// A path that is named in a command or script and lies where a ConfigMap or Secret is mounted is a file there.
fn paths(pods: &Pods<'_>, placed: &Placed<'_>, rendering: &Rendering) -> Vec<Complaint> {
    let there = files(pods, placed.container, rendering);
    let mut complaints = Vec::new();
    for mount in folders(pods, placed.container, rendering) {
        let mut named = BTreeSet::new();
        for (field, words) in scripts::words_of(placed, &there) {
            // A file that a script looks for before it reads it may be missing.
            let is_optional =
                |path: &String| words.contains(&format!("-e {path} ")) || words.contains(&format!("-f {path} "));
            for path in paths_below(&words, &mount).into_iter().filter(|path| !is_optional(path)) {
                if !there.contains_key(&path) && named.insert(path.clone()) {
                    let field = format!("{}.{field}", placed.path);
                    complaints.push(pods.owner.complaint(field, format!("{path} is in no ConfigMap or Secret")));
                }
            }
        }
    }
    complaints
}

/// Where whole ConfigMaps and Secrets are mounted.
fn folders(pods: &Pods<'_>, container: &Container, rendering: &Rendering) -> Vec<String> {
    let mounts = container.volume_mounts.iter().flatten().filter(|mount| mount.sub_path.is_none());
    let of_files = mounts.filter(|mount| {
        let volume = pods.spec.volumes.iter().flatten().find(|volume| volume.name == mount.name);
        volume.is_some_and(|volume| matches!(contents(volume, rendering), Contents::Files(_)))
    });
    of_files.map(|mount| mount.mount_path.clone()).collect()
}

fn paths_below(text: &str, folder: &str) -> Vec<String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || "._-/".contains(c);
    let ends = text.match_indices(folder).filter(|(at, _)| !text[..*at].ends_with(fits)).map(|(at, it)| at + it.len());
    let names = ends.filter_map(|end| text[end..].strip_prefix('/')).filter_map(|rest| {
        let length = rest.find(|c: char| !fits(c)).unwrap_or(rest.len());
        // What is computed, or a pattern, is not ours to judge.
        let computed = rest[length..].starts_with(['$', '*', '{']);
        let name = rest[..length].trim_end_matches(['.', '/']);
        (length > 0 && !computed).then(|| format!("{folder}/{name}"))
    });
    names.collect()
}

/// A class that is named is made here too, since no cluster has to have it.
fn storage_classes(rendering: &Rendering) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    for document in rendering.documents.iter().filter(|document| document.kind() != "PersistentVolume") {
        walk(&document.value, "", &mut |path, value| {
            let Some(name) = path.ends_with(".storageClassName").then(|| value.as_str().unwrap_or_default()) else {
                return;
            };
            if rendering.find("StorageClass", name).is_none() {
                complaints.push(document.complaint(path, format!("there is no StorageClass/{name}")));
            }
        });
    }
    complaints
}

/// What nobody uses was renamed on one side only.
fn unused(rendering: &Rendering) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    let kinds = [
        ("ConfigMap", &["configMap.name", "configMapKeyRef.name", "configMapRef.name"][..]),
        ("Secret", &["secret.secretName", "secret.name", "secretKeyRef.name", "secretRef.name"]),
        ("ServiceAccount", &["serviceAccountName"]),
        ("PersistentVolumeClaim", &["persistentVolumeClaim.claimName"]),
    ];
    for (kind, fields) in kinds {
        let mut used = BTreeSet::new();
        for document in &rendering.documents {
            walk(&document.value, "", &mut |path, value| {
                if fields.iter().any(|field| path.ends_with(field)) {
                    used.extend(value.as_str().map(str::to_owned));
                }
            });
        }
        for document in rendering.of_kind(kind).filter(|document| !is_for_others(document)) {
            if !used.contains(document.name()) {
                complaints.push(document.complaint("metadata.name", "nobody uses it"));
            }
        }
    }
    complaints
}

/// Dashboards are found by their label.
fn is_for_others(document: &Document) -> bool {
    !text(&document.value, "/metadata/labels/grafana_dashboard").is_empty()
}
