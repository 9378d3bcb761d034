//! Certificates and keys, from PEM files or made at start.
//!
//! Knows PEM and X.509 as far as TLS needs it. Must not know when files are read, nor who shows what to whom.

use std::{
    fmt, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use aws_lc_rs::digest;
use rustls::{
    RootCertStore,
    crypto::{CryptoProvider, aws_lc_rs::default_provider},
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, pem::PemObject},
};
use zeroize::Zeroizing;

/// Why there is no certificate to use.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// A file cannot be read.
    #[error("{}: {error}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// A file has not in it what it should.
    #[error("{}: {what}", path.display())]
    Malformed {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// Certificate and key do not go together, or cannot be used.
    #[error("certificate and key cannot be used: {0}")]
    Unusable(rustls::Error),
    /// None could be made.
    #[error("no certificate could be made: {0}")]
    Making(#[from] rcgen::Error),
}

impl From<rustls::Error> for CertificateError {
    fn from(error: rustls::Error) -> Self {
        CertificateError::Unusable(error)
    }
}

/// The SHA-256 of a certificate: what tells it from every other.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint(pub [u8; 32]);

impl Fingerprint {
    /// Of this certificate.
    #[must_use]
    pub fn of(certificate: &CertificateDer<'_>) -> Self {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest::digest(&digest::SHA256, certificate).as_ref());
        Fingerprint(bytes)
    }
}

/// As `openssl x509 -fingerprint -sha256` writes it.
impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, byte) in self.0.iter().enumerate() {
            let colon = if at == 0 { "" } else { ":" };
            write!(f, "{colon}{byte:02X}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({self})")
    }
}

/// A certificate with those that vouch for it, and its key.
pub struct Pair {
    pub chain: Vec<CertificateDer<'static>>,
    pub key: PrivateKeyDer<'static>,
}

/// A file that was read.
pub struct File {
    path: PathBuf,
    bytes: Zeroizing<Vec<u8>>,
}

impl File {
    /// Reads it.
    pub fn read(path: &Path) -> Result<Self, CertificateError> {
        match std::fs::read(path) {
            Ok(bytes) => Ok(File { path: path.to_owned(), bytes: bytes.into() }),
            Err(error) => Err(CertificateError::Read { path: path.to_owned(), error }),
        }
    }

    /// What is in it.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// It is not what it should be.
    pub fn malformed(&self, what: impl Into<String>) -> CertificateError {
        CertificateError::Malformed { path: self.path.clone(), what: what.into() }
    }

    /// All certificates in it, at least one.
    fn certificates(&self) -> Result<Vec<CertificateDer<'static>>, CertificateError> {
        let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&self.bytes).collect();
        let found = found.map_err(|error| self.malformed(format!("not PEM: {error}")))?;
        if found.is_empty() { Err(self.malformed("there is no certificate in it")) } else { Ok(found) }
    }

    /// The first private key in it.
    fn key(&self) -> Result<PrivateKeyDer<'static>, CertificateError> {
        PrivateKeyDer::from_pem_slice(&self.bytes)
            .map_err(|_| self.malformed("there is no private key in it that is not encrypted itself"))
    }
}

/// From two files.
pub fn pair(cert: &File, key: &File) -> Result<Pair, CertificateError> {
    Ok(Pair { chain: cert.certificates()?, key: key.key()? })
}

/// The authorities of a file.
pub fn authorities(file: &File) -> Result<Arc<RootCertStore>, CertificateError> {
    let mut store = RootCertStore::empty();
    for certificate in file.certificates()? {
        store.add(certificate).map_err(|error| file.malformed(format!("not an authority's certificate: {error}")))?;
    }
    Ok(Arc::new(store))
}

/// A certificate that nobody vouches for, as `MySQL` servers make themselves one.
pub fn self_signed() -> Result<Pair, CertificateError> {
    let mut params = rcgen::CertificateParams::new(vec!["mysql-proxy".to_owned(), "localhost".to_owned()])?;
    params.distinguished_name.push(rcgen::DnType::CommonName, "mysql-proxy auto-generated certificate");
    let key = rcgen::KeyPair::generate()?;
    let certificate = params.self_signed(&key)?;
    let key = PrivatePkcs8KeyDer::from(key.serialize_der());
    Ok(Pair { chain: vec![certificate.der().clone()], key: key.into() })
}

/// The algorithms of both sides.
pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(default_provider())
}
