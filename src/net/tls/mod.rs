//! Encryption of a connection, by either side.
//!
//! Knows records, certificates and keys. Must not know the MySQL protocol, who is allowed what, nor where files are named.

mod acceptor;
mod certificates;
mod connector;
mod records;
mod watched;

pub use acceptor::{Acceptor, Credentials, Identity};
pub use certificates::{CertificateError, Fingerprint};
pub use connector::{Connector, Named, Terms, Trust, Untrusted};
pub(super) use records::{Records, Side, State};
