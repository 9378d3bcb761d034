//! The configuration: what is written (file, environment) → checked → typed.
//!
//! Knows the names of all keys, their defaults and their ranges (`keys`), where each value came from
//! (`settings`), and how to say in one line what is wrong with it ([`ConfigError`]). Must not know sockets, the
//! runtime, or what the other rooms do with the values.
//!
//! The way of a value: `file` and `environment` write it down with its place → `validate` turns all of them into
//! one [`Config`] → `Config`'s `Display` writes it back as TOML with the secrets masked.

mod address;
mod choice;
mod environment;
mod error;
mod file;
mod keys;
mod model;
mod nearest;
mod network;
mod not_offered;
mod pin;
mod place;
mod render;
mod secret;
mod settings;
mod units;
mod validate;

use std::path::Path;
use std::str::FromStr;

use zeroize::Zeroizing;

pub use address::MemberAddress;
pub use environment::Environment;
pub use error::ConfigError;
pub use model::{
    Auth, AuthSource, BackendTls, BackendTlsMode, Certificate, ClientTls, ClientTlsDemand, Cluster, ClusterKind,
    Config, Discovery, Limits, Listen, Monitor, Multiplexing, Pool, PrimaryRule, Routing, Runtime, Tls, User,
};
pub use network::Network;
pub use pin::Pin;
pub use secret::Secret;
pub use units::ByteSize;

/// The file that is read when none is named.
pub const DEFAULT_FILE: &str = "/etc/mysql-proxy/mysql-proxy.toml";

/// Reads the named file, or [`DEFAULT_FILE`], which may be absent: then the environment and the defaults are all there
/// is. A file that was asked for by name must be there.
pub fn load(named: Option<&Path>, environment: &Environment) -> Result<Config, ConfigError> {
    let path = named.unwrap_or(Path::new(DEFAULT_FILE));
    let name = path.display().to_string();
    match std::fs::read_to_string(path).map(Zeroizing::new) {
        Ok(text) => parse(&name, &text, environment),
        Err(why) if why.kind() == std::io::ErrorKind::NotFound && named.is_none() => parse(&name, "", environment),
        Err(why) => Err(ConfigError::unreadable_file(&name, &why)),
    }
}

/// Checks a file's text together with the environment. `name` is what errors call the file.
pub fn parse(name: &str, text: &str, environment: &Environment) -> Result<Config, ConfigError> {
    let mut settings = settings::Settings::with_defaults(name);
    file::read_into(&mut settings, text)?;
    environment.read_into(&mut settings)?;
    validate::validate(&settings)
}

impl FromStr for Config {
    type Err = ConfigError;

    /// A file's text alone, without any environment.
    fn from_str(text: &str) -> Result<Config, ConfigError> {
        parse("configuration", text, &Environment::empty())
    }
}
