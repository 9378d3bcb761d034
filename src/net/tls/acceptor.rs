//! What clients are shown: the certificate of now, read again when its files change.
//!
//! Knows files and when they were looked at. Must not know which clients need TLS.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;
use aws_lc_rs::digest;
use rustls::{
    ServerConfig,
    crypto::aws_lc_rs::Ticketer,
    server::{NoClientAuth, NoServerSessionStorage, WebPkiClientVerifier, danger::ClientCertVerifier},
};
use tokio::sync::Mutex;
use tracing::{info, warn};

use super::certificates::{self, CertificateError, File, Fingerprint, Pair};

/// How often files are looked at, at most.
const LOOK: Duration = Duration::from_secs(1);

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

/// Where files are, and what they were when they were last looked at.
#[derive(Debug)]
struct Looked {
    at: Instant,
    /// The digest of all of them; none while they cannot be read.
    seen: Option<digest::Digest>,
    /// What the log was told last.
    complaint: Option<String>,
}

/// What encrypts the connections of clients.
#[derive(Debug)]
pub struct Acceptor {
    credentials: Credentials,
    ca: Option<PathBuf>,
    current: ArcSwap<Identity>,
    looked: Mutex<Looked>,
}

impl Acceptor {
    /// Reads what there is, or makes it. `ca`: who vouches for clients' certificates, which are asked for then.
    pub fn new(credentials: Credentials, ca: Option<PathBuf>) -> Result<Self, CertificateError> {
        let contents = Contents::read(&credentials, ca.as_deref())?;
        let current = ArcSwap::from_pointee(contents.identity()?);
        let looked = Looked { at: Instant::now(), seen: Some(contents.digest()), complaint: None };
        Ok(Acceptor { credentials, ca, current, looked: Mutex::new(looked) })
    }

    /// What the next client is shown. Files that have changed are read again; what cannot be used changes nothing.
    pub async fn identity(&self) -> Arc<Identity> {
        // Of many who come at once one looks.
        if let Ok(mut looked) = self.looked.try_lock()
            && looked.at.elapsed() >= LOOK
            && (self.ca.is_some() || self.credentials != Credentials::SelfSigned)
        {
            looked.at = Instant::now();
            self.look(&mut looked).await;
        }
        self.current.load_full()
    }

    async fn look(&self, looked: &mut Looked) {
        let (credentials, ca) = (self.credentials.clone(), self.ca.clone());
        let reading = tokio::task::spawn_blocking(move || Contents::read(&credentials, ca.as_deref())).await;
        let Ok(read) = reading else { return };
        let built = match read {
            Ok(contents) => {
                let digest = contents.digest();
                if looked.seen.as_ref().is_some_and(|seen| seen.as_ref() == digest.as_ref()) {
                    return;
                }
                looked.seen = Some(digest);
                contents.identity()
            }
            Err(error) => {
                looked.seen = None;
                Err(error)
            }
        };
        match built {
            Ok(identity) if self.ca.is_none() && identity.fingerprint == self.current.load().fingerprint => {
                looked.complaint = None;
            }
            Ok(identity) => {
                info!(fingerprint = %identity.fingerprint, "clients are shown another certificate, or asked for others, from now on");
                looked.complaint = None;
                self.current.store(Arc::new(identity));
            }
            Err(error) => {
                let complaint = error.to_string();
                if looked.complaint.as_ref() != Some(&complaint) {
                    warn!(error = %complaint, "[tls.client]: what is in the files cannot be used; the certificate of before stays");
                    looked.complaint = Some(complaint);
                }
            }
        }
    }
}

/// What is in the files.
struct Contents {
    /// Certificate and key; none: they are made.
    pair: Option<(File, File)>,
    ca: Option<File>,
}

impl Contents {
    fn read(credentials: &Credentials, ca: Option<&Path>) -> Result<Self, CertificateError> {
        let pair = match credentials {
            Credentials::SelfSigned => None,
            Credentials::Files { cert, key } => Some((File::read(cert)?, File::read(key)?)),
        };
        Ok(Contents { pair, ca: ca.map(File::read).transpose()? })
    }

    fn digest(&self) -> digest::Digest {
        let mut context = digest::Context::new(&digest::SHA256);
        let pair = self.pair.iter().flat_map(|(cert, key)| [cert, key]);
        for file in pair.chain(&self.ca) {
            context.update(&file.bytes().len().to_le_bytes());
            context.update(file.bytes());
        }
        context.finish()
    }

    fn identity(&self) -> Result<Identity, CertificateError> {
        let Pair { chain, key } = match &self.pair {
            Some((cert, key)) => certificates::pair(cert, key)?,
            None => certificates::self_signed()?,
        };
        let fingerprint = Fingerprint::of(chain.first().ok_or(rustls::Error::NoCertificatesPresented)?);
        let verifier = match &self.ca {
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
}

/// Clients may show a certificate, as to a server with `ssl_ca`; then it must come from one of these authorities.
fn clients_of(ca: &File) -> Result<Arc<dyn ClientCertVerifier>, CertificateError> {
    let authorities = certificates::authorities(ca)?;
    let verifier = WebPkiClientVerifier::builder_with_provider(authorities, certificates::provider());
    verifier.allow_unauthenticated().build().map_err(|error| ca.malformed(error.to_string()))
}

#[cfg(test)]
mod tests {
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
        if let Some(before) = Instant::now().checked_sub(LOOK) {
            acceptor.looked.lock().await.at = before;
        }
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
