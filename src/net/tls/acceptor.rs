//! What clients are shown, and what is asked of their certificates.
//!
//! Knows the server's side of TLS. Must not know which clients need it.

use std::{path::PathBuf, sync::Arc};

use rustls::{
    ServerConfig,
    crypto::aws_lc_rs::Ticketer,
    server::{NoClientAuth, NoServerSessionStorage, WebPkiClientVerifier, danger::ClientCertVerifier},
};

use super::{
    certificates::{self, CertificateError, File, Fingerprint, Pair},
    watched::Watched,
};

/// Where certificate and key come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credentials {
    /// Made now, and gone with the program.
    SelfSigned,
    /// From files in PEM.
    Files {
        /// The certificate, and those that vouch for it.
        cert: PathBuf,
        /// Its private key.
        key: PathBuf,
    },
}

/// What a client is shown.
#[derive(Debug)]
pub struct Identity {
    /// For the handshake.
    pub config: Arc<ServerConfig>,
    /// Of the certificate.
    pub fingerprint: Fingerprint,
}

/// What encrypts the connections of clients.
#[derive(Debug)]
pub struct Acceptor(Watched<Identity>);

impl Acceptor {
    /// Reads what there is, or makes it. `ca`: who vouches for clients' certificates, which are asked for then.
    pub fn new(credentials: Credentials, ca: Option<PathBuf>) -> Result<Self, CertificateError> {
        let has_ca = ca.is_some();
        let mut paths = match credentials {
            Credentials::SelfSigned => Vec::new(),
            Credentials::Files { cert, key } => vec![cert, key],
        };
        paths.extend(ca);
        let make = move |files: &[File]| {
            let (ca, pair) = if has_ca { files.split_last().unzip() } else { (None, Some(files)) };
            identity(pair.unwrap_or_default(), ca)
        };
        Watched::new("tls.client", paths, Box::new(make)).map(Acceptor)
    }

    /// What the next client is shown. Files that have changed are read again; what cannot be used changes nothing.
    pub async fn identity(&self) -> Arc<Identity> {
        self.0.current().await
    }
}

fn identity(pair: &[File], ca: Option<&File>) -> Result<Identity, CertificateError> {
    let Pair { chain, key } = match pair {
        [cert, key] => certificates::pair(cert, key)?,
        _ => certificates::self_signed()?,
    };
    let fingerprint = Fingerprint::of(chain.first().ok_or(rustls::Error::NoCertificatesPresented)?);
    let verifier = match ca {
        Some(ca) => clients_of(ca)?,
        None => Arc::new(NoClientAuth),
    };
    let mut config = ServerConfig::builder_with_provider(certificates::provider())
        .with_safe_default_protocol_versions()?
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain, key)?;
    // A client that comes again proves its first handshake by a ticket; nothing is kept here for it. Who is shown another
    // certificate, or judged by another authority, begins anew: each identity has tickets of its own.
    config.ticketer = Ticketer::new()?;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 1;
    Ok(Identity { config: Arc::new(config), fingerprint })
}

/// Clients may show a certificate, as to a server with `ssl_ca`; then it must come from one of these authorities.
fn clients_of(ca: &File) -> Result<Arc<dyn ClientCertVerifier>, CertificateError> {
    let authorities = certificates::authorities(ca)?;
    let verifier = WebPkiClientVerifier::builder_with_provider(authorities, certificates::provider());
    verifier.allow_unauthenticated().build().map_err(|error| ca.malformed(error.to_string()))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn write_pair(folder: &Path, certified: &rcgen::CertifiedKey<rcgen::KeyPair>, which: [bool; 2]) {
        if which[0] {
            std::fs::write(folder.join("cert"), certified.cert.pem()).unwrap();
        }
        if which[1] {
            std::fs::write(folder.join("key"), certified.signing_key.serialize_pem()).unwrap();
        }
    }

    async fn after_a_look(acceptor: &Acceptor) -> Fingerprint {
        acceptor.0.look_again().await;
        acceptor.identity().await.fingerprint
    }

    #[tokio::test]
    async fn what_is_replaced_is_shown_next_and_what_is_broken_never() {
        let folder = tempfile::tempdir().unwrap();
        let make = || rcgen::generate_simple_self_signed(["mysql-proxy".to_owned()]).unwrap();
        let (first, second) = (make(), make());
        let of = |made: &rcgen::CertifiedKey<rcgen::KeyPair>| Fingerprint::of(made.cert.der());
        let [cert, key] = ["cert", "key"].map(|name| folder.path().join(name));
        let credentials = Credentials::Files { cert: cert.clone(), key };
        assert!(matches!(Acceptor::new(credentials.clone(), None), Err(CertificateError::Read { .. })));
        write_pair(folder.path(), &first, [true, true]);
        let acceptor = Acceptor::new(credentials.clone(), None).unwrap();
        assert_eq!(after_a_look(&acceptor).await, of(&first));
        // Half of a new pair, as while somebody copies it.
        write_pair(folder.path(), &second, [true, false]);
        assert_eq!(after_a_look(&acceptor).await, of(&first));
        assert!(matches!(Acceptor::new(credentials, None), Err(CertificateError::Unusable(_))));
        write_pair(folder.path(), &second, [true, true]);
        assert_eq!(acceptor.identity().await.fingerprint, of(&first), "files are not read for every login");
        assert_eq!(after_a_look(&acceptor).await, of(&second));
        std::fs::write(&cert, "nothing").unwrap();
        assert_eq!(after_a_look(&acceptor).await, of(&second));
        std::fs::remove_file(&cert).unwrap();
        assert_eq!(after_a_look(&acceptor).await, of(&second));
        write_pair(folder.path(), &first, [true, true]);
        assert_eq!(after_a_look(&acceptor).await, of(&first));
    }
}
