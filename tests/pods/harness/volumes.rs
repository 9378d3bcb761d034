//! A pod's volumes: folders of the node.
//!
//! Knows ConfigMaps, Secrets, emptyDirs, claims, their modes and owners. Must not know who mounts them.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};

use k8s_openapi::api::core::v1::{KeyToPath, PodSpec, Volume};

use super::node::Node;
use super::render::Manifests;

/// What volumes of a pod are made from.
pub struct Volumes<'a> {
    /// Where they are.
    pub node: &'a Node,
    /// ConfigMaps and Secrets.
    pub manifests: &'a Manifests,
    /// The pod's name.
    pub pod: &'a str,
    /// The folder of this very pod, in the node's view.
    pub folder: PathBuf,
    /// `fsGroup`.
    pub group: Option<u32>,
}

impl Volumes<'_> {
    /// Makes all of them; `claims` are those of the StatefulSet. By the volume's name, in the node's view.
    pub fn make(&self, spec: &PodSpec, claims: &[String]) -> BTreeMap<String, PathBuf> {
        let declared = spec.volumes.iter().flatten().map(|volume| (volume.name.clone(), self.one(volume)));
        let claimed = claims.iter().map(|claim| (claim.clone(), self.claim(&format!("{claim}-{}", self.pod))));
        declared.chain(claimed).collect()
    }

    fn one(&self, volume: &Volume) -> PathBuf {
        let folder = self.folder.join("volumes").join(&volume.name);
        if let Some(source) = &volume.config_map {
            let map = self.manifests.config_maps.get(&source.name);
            let map = map.unwrap_or_else(|| panic!("there is no ConfigMap {}", source.name));
            self.files(&folder, map, source.items.as_deref(), source.default_mode.unwrap_or(0o644));
        } else if let Some(source) = &volume.secret {
            let name = source.secret_name.as_deref().unwrap_or_default();
            let secret = self.manifests.secrets.get(name).unwrap_or_else(|| panic!("there is no Secret {name}"));
            self.files(&folder, secret, source.items.as_deref(), source.default_mode.unwrap_or(0o644));
        } else if let Some(claim) = &volume.persistent_volume_claim {
            return self.claim(&claim.claim_name);
        } else if volume.empty_dir.is_some() {
            self.folder(&folder, 0o777);
        } else {
            panic!("volume {} of {} is of a kind that this harness does not have", volume.name, self.pod);
        }
        folder
    }

    fn claim(&self, name: &str) -> PathBuf {
        let folder = self.node.inside("claims").join(name);
        if !self.node.seen_from_here(&folder).exists() {
            self.folder(&folder, 0o755);
        }
        folder
    }

    /// A folder that belongs to the group, as the kubelet makes it.
    fn folder(&self, inside: &Path, mode: u32) {
        let path = self.node.seen_from_here(inside);
        fs::create_dir_all(&path).unwrap();
        let mode = if self.group.is_some() { mode | 0o2070 } else { mode };
        self.own(&path, mode);
    }

    fn files(&self, folder: &Path, all: &BTreeMap<String, Vec<u8>>, items: Option<&[KeyToPath]>, mode: i32) {
        self.folder(folder, 0o755);
        let wanted: Vec<(&str, &str, i32)> = match items {
            None => all.keys().map(|key| (key.as_str(), key.as_str(), mode)).collect(),
            Some(items) => {
                items.iter().map(|item| (item.key.as_str(), item.path.as_str(), item.mode.unwrap_or(mode))).collect()
            }
        };
        for (key, path, mode) in wanted {
            let path = self.node.seen_from_here(&folder.join(path));
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            // In place of the former one at once: who reads sees the one or the other.
            let new = path.with_extension("new");
            fs::write(&new, all.get(key).unwrap_or_else(|| panic!("there is no key {key}"))).unwrap();
            self.own(&new, mode as u32);
            fs::rename(new, path).unwrap();
        }
    }

    fn own(&self, path: &Path, mode: u32) {
        chown(path, Some(0), self.group).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }
}
