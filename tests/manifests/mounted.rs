//! What a container finds in its file system: volumes, and the files that ConfigMaps and Secrets put there.
//!
//! Knows how keys become files. Must not know what should be in them.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{Container, KeyToPath, Volume};
use serde::Deserialize;

use crate::document::{Document, Rendering};
use crate::pods::Pods;

/// File names below the mount, and what is in them.
pub type Files = BTreeMap<String, Vec<u8>>;

/// What is in a volume.
pub enum Contents {
    /// Exactly these files.
    Files(Files),
    /// Whatever the pods have put there.
    Theirs,
    /// It cannot be made: `field` of the volume is wrong.
    Wrong { field: &'static str, why: String },
}

/// Secrets that whoever deploys brings, by hand or by cert-manager.
const BROUGHT: [&str; 1] = ["mysql-proxy-tls"];

/// The keys and values of a ConfigMap or Secret.
pub fn entries(document: &Document) -> Files {
    let texts =
        |pointer: &str| document.value.pointer(pointer).and_then(|it| BTreeMap::<String, String>::deserialize(it).ok());
    let bytes = |pointer: &str| {
        let encoded =
            document.value.pointer(pointer).and_then(|it| BTreeMap::<String, ByteString>::deserialize(it).ok());
        encoded.unwrap_or_default().into_iter().map(|(key, value)| (key, value.0))
    };
    let plain = if document.kind() == "Secret" { texts("/stringData") } else { texts("/data") };
    let encoded = if document.kind() == "Secret" { bytes("/data") } else { bytes("/binaryData") };
    plain.unwrap_or_default().into_iter().map(|(key, value)| (key, value.into_bytes())).chain(encoded).collect()
}

/// What a volume of a pod holds.
pub fn contents(volume: &Volume, rendering: &Rendering) -> Contents {
    if let Some(source) = &volume.config_map {
        return keys("configMap", rendering.find("ConfigMap", &source.name), &source.name, source.items.as_deref());
    }
    if let Some(source) = &volume.secret {
        let name = source.secret_name.clone().unwrap_or_default();
        if BROUGHT.contains(&name.as_str()) {
            return Contents::Theirs;
        }
        return keys("secret", rendering.find("Secret", &name), &name, source.items.as_deref());
    }
    let Some(projected) = &volume.projected else { return Contents::Theirs };
    let mut all = Files::new();
    for source in projected.sources.iter().flatten() {
        let part = if let Some(source) = &source.config_map {
            keys("projected", rendering.find("ConfigMap", &source.name), &source.name, source.items.as_deref())
        } else if let Some(source) = &source.secret {
            keys("projected", rendering.find("Secret", &source.name), &source.name, source.items.as_deref())
        } else {
            return Contents::Theirs;
        };
        match part {
            Contents::Files(files) => all.extend(files),
            other => return other,
        }
    }
    Contents::Files(all)
}

fn keys(field: &'static str, document: Option<&Document>, name: &str, items: Option<&[KeyToPath]>) -> Contents {
    let Some(document) = document else {
        return Contents::Wrong { field, why: format!("there is no {name:?}") };
    };
    let entries = entries(document);
    let Some(items) = items else { return Contents::Files(entries) };
    let mut files = Files::new();
    for item in items {
        let Some(value) = entries.get(&item.key) else {
            return Contents::Wrong { field, why: format!("{}/{name} has no key {:?}", document.kind(), item.key) };
        };
        files.insert(item.path.clone(), value.clone());
    }
    Contents::Files(files)
}

/// The absolute paths of all files that a container gets from ConfigMaps and Secrets.
pub fn files(pods: &Pods<'_>, container: &Container, rendering: &Rendering) -> Files {
    let mut all = Files::new();
    for mount in container.volume_mounts.iter().flatten() {
        let volume = pods.spec.volumes.iter().flatten().find(|volume| volume.name == mount.name);
        let Some(Contents::Files(files)) = volume.map(|volume| contents(volume, rendering)) else { continue };
        match &mount.sub_path {
            Some(key) => all.extend(files.get(key).map(|value| (mount.mount_path.clone(), value.clone()))),
            None => all.extend(files.into_iter().map(|(name, value)| (format!("{}/{name}", mount.mount_path), value))),
        }
    }
    all
}
