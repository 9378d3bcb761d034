//! Where the configuration comes from, to be read at the start and again whenever something of it has changed.
//!
//! Knows the file, the environment, and the files that these name. Must not know who wants to have it read.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::keys::{KEYS, leaf, user_path};
use super::settings::Settings;
use super::{Certificate, Config, ConfigError, DEFAULT_FILE, Environment, validate};

/// A file and the environment.
#[derive(Clone)]
pub struct Source {
    named: Option<PathBuf>,
    environment: Environment,
}

impl Source {
    /// The named file, or [`DEFAULT_FILE`], which may be absent: then the environment and the defaults are all there is. A
    /// file that was asked for by name must be there.
    #[must_use]
    pub fn new(named: Option<PathBuf>, environment: Environment) -> Self {
        Source { named, environment }
    }

    /// The file that is read.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.named.as_deref().unwrap_or(Path::new(DEFAULT_FILE))
    }

    /// The variables that count beside the file, and before it.
    #[must_use]
    pub fn environment(&self) -> &Environment {
        &self.environment
    }

    /// Reads and checks everything.
    pub fn load(&self) -> Result<Config, ConfigError> {
        self.load_with_files().0
    }

    /// The same, and the files in which all of it stands as far as they are known: those of secrets and certificates, too.
    pub fn load_with_files(&self) -> (Result<Config, ConfigError>, BTreeSet<PathBuf>) {
        let mut files = BTreeSet::from([self.path().to_owned()]);
        let settings = match self.settings() {
            Ok(settings) => settings,
            Err(error) => return (Err(error), files),
        };
        files.extend(secret_files(&settings));
        let config = validate::validate(&settings);
        if let Ok(config) = &config {
            files.extend(certificate_files(config));
        }
        (config, files)
    }

    fn settings(&self) -> Result<Settings, ConfigError> {
        let name = self.path().display().to_string();
        match std::fs::read_to_string(self.path()).map(Zeroizing::new) {
            Ok(text) => super::read(&name, &text, &self.environment),
            Err(why) if why.kind() == ErrorKind::NotFound && self.named.is_none() => {
                super::read(&name, "", &self.environment)
            }
            Err(why) => Err(ConfigError::unreadable_file(&name, &why)),
        }
    }
}

/// What the keys `…_file` name.
fn secret_files(settings: &Settings) -> Vec<PathBuf> {
    let of_keys = KEYS.iter().map(|key| key.path.to_owned()).filter(|path| leaf(path).ends_with("_file"));
    let of_users = (0..settings.users().len()).map(|index| user_path(index, "password_file"));
    let named = of_keys.chain(of_users).filter_map(|path| settings.text(&path).ok());
    named.filter(|file| !file.is_empty()).map(PathBuf::from).collect()
}

fn certificate_files(config: &Config) -> Vec<PathBuf> {
    let mut files = Vec::new();
    if let Some(client) = &config.tls.client {
        if let Certificate::Files { cert, key } = &client.certificate {
            files.extend([cert.clone(), key.clone()]);
        }
        files.extend(client.ca.clone());
    }
    files.extend(config.tls.backend.ca.clone());
    files.extend(config.tls.backend.pair.iter().flat_map(|(cert, key)| [cert.clone(), key.clone()]));
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_is_known_also_of_what_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let source = Source::new(Some(path("proxy.toml")), Environment::empty());
        let (read, files) = source.load_with_files();
        assert!(read.is_err() && files == BTreeSet::from([path("proxy.toml")]));
        let text = "
            [monitor]
            password_file = \"DIR/monitor\"
            [tls.client]
            cert = \"DIR/cert\"
            key = \"DIR/key\"
            [[users]]
            name = \"app\"
            password_file = \"DIR/app\"";
        std::fs::write(path("proxy.toml"), text.replace("DIR", folder.path().to_str().unwrap())).unwrap();
        std::fs::write(path("monitor"), "x\n").unwrap();
        let (read, files) = source.load_with_files();
        assert!(read.is_err(), "there is no password of app's");
        assert_eq!(files, BTreeSet::from([path("proxy.toml"), path("monitor"), path("app")]));
        std::fs::write(path("app"), "y").unwrap();
        let (read, files) = source.load_with_files();
        assert_eq!(read.unwrap().auth.users[0].password.expose(), "y");
        assert_eq!(files, ["app", "cert", "key", "monitor", "proxy.toml"].map(path).into());
    }
}
