//! Containers from what a pod's specification declares of them.
//!
//! Knows images, users, mounts and the environment. Must not know when a pod begins.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use k8s_openapi::api::core::v1::{self, EnvVar, PodSpec, VolumeMount};

use super::Pods;
use super::container::{Identity, Launch, Mount};
use super::interruption;
use super::pod::Container;
use super::render::Manifests;

const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Makes the containers of one pod.
pub struct Maker<'a> {
    /// For the node and the images.
    pub pods: &'a Pods,
    /// For what the environment refers to.
    pub manifests: &'a Manifests,
    /// Of the pod.
    pub spec: &'a PodSpec,
    /// The pod's name.
    pub name: &'a str,
    /// Its address.
    pub address: std::net::Ipv4Addr,
    /// How a command enters its network.
    pub enter: Vec<String>,
    /// Of this very pod, in the node's view.
    pub folder: PathBuf,
    /// By name, in the node's view.
    pub volumes: BTreeMap<String, PathBuf>,
}

impl Maker<'_> {
    /// What every container finds in `/etc`.
    pub fn write_network_files(&self) {
        let folder = self.pods.node.seen_from_here(&self.folder).join("etc");
        std::fs::create_dir_all(&folder).unwrap();
        let zone = format!("{}.svc.cluster.local", self.manifests.namespace);
        let resolver = format!(
            "nameserver {}\nsearch {zone} svc.cluster.local cluster.local\noptions ndots:5\n",
            self.pods.node.outside()
        );
        let own = self
            .spec
            .subdomain
            .as_ref()
            .map(|subdomain| format!("{}.{subdomain}.{zone} ", self.name))
            .unwrap_or_default();
        let hosts = format!("127.0.0.1 localhost\n{} {own}{}\n", self.address, self.name);
        for (file, text) in [("resolv.conf", resolver), ("hosts", hosts), ("hostname", format!("{}\n", self.name))] {
            std::fs::write(folder.join(file), text).unwrap();
        }
    }

    /// One container, as declared.
    pub fn container(&self, declared: &v1::Container) -> Arc<Container> {
        let (image, stand_in) = self.pods.images.of(declared.image.as_deref().unwrap_or_default());
        let context = declared.security_context.clone().unwrap_or_default();
        let all = self.spec.security_context.clone().unwrap_or_default();
        let drops = context.capabilities.iter().flat_map(|capabilities| capabilities.drop.iter().flatten());
        let user = context.run_as_user.or(all.run_as_user).unwrap_or(stand_in.user.into());
        let identity = Identity {
            user,
            group: context.run_as_group.or(all.run_as_group).unwrap_or(user),
            groups: all.fs_group.into_iter().chain(all.supplemental_groups.into_iter().flatten()).collect(),
            no_escalation: context.allow_privilege_escalation == Some(false),
            no_capabilities: drops.into_iter().any(|name| name == "ALL"),
        };
        let must_not_be_root = context.run_as_non_root.or(all.run_as_non_root) == Some(true);
        assert!(!must_not_be_root || identity.user != 0, "{} of {} would run as root", declared.name, self.name);
        let environment = self.environment(declared);
        let command = self.command(declared, stand_in, &environment);
        let launch = Launch {
            enter: self.enter.clone(),
            root: self.folder.join("roots").join(&declared.name),
            template: self.pods.node.inside("images").join(super::folder_of(image)),
            binds: stand_in.binds(),
            mounts: self.mounts(declared),
            read_only_root: context.read_only_root_filesystem == Some(true),
            identity,
            command,
            environment,
            folder: declared.working_dir.clone().unwrap_or_else(|| "/".into()),
            log: self.pods.logs.path().join(format!("{}.{}", self.name, declared.name)),
        };
        Arc::new(Container::new(declared.clone(), launch, self.address))
    }

    fn command(
        &self,
        declared: &v1::Container,
        stand_in: &super::StandIn,
        environment: &[(String, String)],
    ) -> Vec<String> {
        let expanded = |words: &[String]| words.iter().map(|word| expand(word, environment)).collect::<Vec<_>>();
        let (mut words, arguments) = match (&declared.command, &declared.args) {
            (Some(command), arguments) => (expanded(command), arguments.as_deref().unwrap_or_default()),
            (None, Some(arguments)) => (stand_in.entrypoint.clone(), arguments.as_slice()),
            (None, None) => (stand_in.entrypoint.clone(), stand_in.arguments.as_slice()),
        };
        words.extend(expanded(arguments));
        assert!(!words.is_empty(), "nothing to run in {} of {}", declared.name, self.name);
        words
    }

    fn mounts(&self, declared: &v1::Container) -> Vec<Mount> {
        let network = ["resolv.conf", "hosts", "hostname"].map(|file| Mount {
            source: self.folder.join("etc").join(file),
            target: format!("/etc/{file}"),
            read_only: false,
            is_file: true,
        });
        let mut mounts: Vec<Mount> = network.into();
        mounts.push(Mount {
            source: self.pods.node.inside("shared"),
            target: super::image::SHARED.into(),
            read_only: false,
            is_file: false,
        });
        mounts.push(Mount {
            source: self.folder.join("interruption").join(&declared.name),
            target: interruption::FOLDER.into(),
            read_only: false,
            is_file: false,
        });
        let mut declared: Vec<&VolumeMount> = declared.volume_mounts.iter().flatten().collect();
        declared.sort_by_key(|mount| mount.mount_path.matches('/').count());
        for mount in declared {
            let volume = self.volumes.get(&mount.name);
            let volume = volume.unwrap_or_else(|| panic!("{} has no volume {}", self.name, mount.name));
            let source = mount.sub_path.as_ref().map_or_else(|| volume.clone(), |below| volume.join(below));
            let here = self.pods.node.seen_from_here(&source);
            if !here.exists() {
                std::fs::create_dir_all(&here).unwrap();
                std::fs::set_permissions(
                    &here,
                    std::fs::metadata(self.pods.node.seen_from_here(volume)).unwrap().permissions(),
                )
                .unwrap();
                let group = self.spec.security_context.as_ref().and_then(|context| context.fs_group);
                std::os::unix::fs::chown(&here, None, group.map(|group| group as u32)).unwrap();
            }
            mounts.push(Mount {
                is_file: here.is_file(),
                source,
                target: mount.mount_path.trim_end_matches('/').to_owned(),
                read_only: mount.read_only == Some(true),
            });
        }
        mounts
    }

    fn environment(&self, declared: &v1::Container) -> Vec<(String, String)> {
        let mut environment = vec![("PATH".to_owned(), PATH.to_owned()), ("HOSTNAME".to_owned(), self.name.to_owned())];
        environment.push(("BASH_ENV".into(), format!("{}/environment", interruption::FOLDER)));
        for source in declared.env_from.iter().flatten() {
            let prefix = source.prefix.clone().unwrap_or_default();
            let map = source.config_map_ref.as_ref().and_then(|source| self.manifests.config_maps.get(&source.name));
            let secret = source.secret_ref.as_ref().and_then(|source| self.manifests.secrets.get(&source.name));
            for (key, value) in map.into_iter().chain(secret).flatten() {
                environment.push((format!("{prefix}{key}"), String::from_utf8_lossy(value).into_owned()));
            }
        }
        for variable in declared.env.iter().flatten() {
            let value = self.value(variable, &environment);
            environment.retain(|(name, _)| *name != variable.name);
            environment.push((variable.name.clone(), value));
        }
        environment
    }

    fn value(&self, variable: &EnvVar, environment: &[(String, String)]) -> String {
        let Some(source) = &variable.value_from else {
            return expand(variable.value.as_deref().unwrap_or_default(), environment);
        };
        let bytes = if let Some(field) = &source.field_ref {
            return match field.field_path.as_str() {
                "metadata.name" => self.name.to_owned(),
                "metadata.namespace" => self.manifests.namespace.clone(),
                "status.podIP" | "status.podIPs" => self.address.to_string(),
                "spec.nodeName" | "status.hostIP" => "node".into(),
                other => panic!("this harness does not know the field {other}"),
            };
        } else if let Some(key) = &source.secret_key_ref {
            self.manifests.secrets.get(&key.name).and_then(|secret| secret.get(&key.key))
        } else if let Some(key) = &source.config_map_key_ref {
            self.manifests.config_maps.get(&key.name).and_then(|map| map.get(&key.key))
        } else {
            None
        };
        String::from_utf8(bytes.unwrap_or_else(|| panic!("nobody has the value of {}", variable.name)).clone()).unwrap()
    }
}

/// `$(NAME)` of what is known before.
fn expand(text: &str, environment: &[(String, String)]) -> String {
    environment.iter().fold(text.to_owned(), |text, (name, value)| text.replace(&format!("$({name})"), value))
}
