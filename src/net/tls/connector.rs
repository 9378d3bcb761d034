//! What a member must prove, and what it is shown.
//!
//! Knows the client's side of TLS. The certificate is judged behind the handshake and before anything is said: a member
//! whose handshake breaks off counts that against our host, and blocks it after `max_connect_errors` of them. Must not know
//! which members there are.

use std::{fmt, path::PathBuf, sync::Arc};

use rustls::{
    CertificateError as Fault, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
    client::{
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        verify_server_cert_signed_by_trust_anchor, verify_server_name,
    },
    crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
    server::ParsedCertificate,
};

use super::{
    certificates::{self, CertificateError, File, Fingerprint},
    watched::Watched,
};

/// Who counts as a member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trust {
    /// Whoever answers: what is said is encrypted, and nothing is proven.
    Anybody,
    /// Whose certificate is one of these, or else from this authority, if one is given.
    Proven {
        /// Certificates that need nobody to vouch for them.
        pins: Vec<Fingerprint>,
        /// The file of the authorities.
        ca: Option<PathBuf>,
        /// Whether the certificate must bear a name of the member's.
        named: Named,
    },
}

/// Whether a certificate must bear a name of its member's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Named {
    /// It must.
    Yes,
    /// Any certificate of the authority will do.
    No,
}

/// Why a member is not believed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Untrusted {
    /// It is not one of the pinned certificates, and there is no authority.
    #[error("its certificate is none of tls.backend.pin: it has the fingerprint {0}")]
    Pin(Fingerprint),
    /// The authority has not signed it, it is not valid now, or it is for another purpose.
    #[error("its certificate is not proven by tls.backend.ca: {0}; it has the fingerprint {1}")]
    Authority(String, Fingerprint),
    /// It bears other names.
    #[error("its certificate is for {presented}, and the member is {asked}")]
    Name {
        /// What stands in it.
        presented: String,
        /// What would have been right.
        asked: String,
    },
    /// It bears none.
    #[error(
        "its certificate bears no name (subjectAltName), as those that MySQL makes by itself; give the member another one, or \
         tls.backend.pin = \"{0}\""
    )]
    Nameless(Fingerprint),
    /// It showed none.
    #[error("it showed no certificate")]
    Nothing,
}

/// What is needed for a connection.
#[derive(Debug)]
pub struct Terms {
    /// For the handshake.
    pub config: Arc<ClientConfig>,
    authorities: Option<Arc<RootCertStore>>,
    provider: Arc<CryptoProvider>,
}

/// What encrypts the connections to members.
#[derive(Debug)]
pub struct Connector {
    trust: Trust,
    terms: Watched<Terms>,
}

impl Connector {
    /// Reads what there is. `pair`: the certificate that a member is shown which asks for one, and its key.
    pub fn new(trust: Trust, pair: Option<(PathBuf, PathBuf)>) -> Result<Self, CertificateError> {
        let ca = match &trust {
            Trust::Proven { ca, .. } => ca.clone(),
            Trust::Anybody => None,
        };
        let (has_ca, matters) = (ca.is_some(), trust != Trust::Anybody);
        let mut paths: Vec<PathBuf> = pair.into_iter().flat_map(|(cert, key)| [cert, key]).collect();
        paths.extend(ca);
        let make = move |files: &[File]| {
            let (ca, pair) = if has_ca { files.split_last().unzip() } else { (None, Some(files)) };
            terms(pair.unwrap_or_default(), ca, matters)
        };
        Ok(Connector { trust, terms: Watched::new("tls.backend", paths, Box::new(make))? })
    }

    /// What is needed for the next connection.
    pub async fn terms(&self) -> Arc<Terms> {
        self.terms.current().await
    }

    /// Whether a member that has shown these certificates is one. `names`: what it may be called.
    pub fn judge(
        &self,
        terms: &Terms,
        shown: Option<&[CertificateDer<'_>]>,
        names: &[ServerName<'_>],
    ) -> Result<(), Untrusted> {
        let Trust::Proven { pins, named, .. } = &self.trust else { return Ok(()) };
        let Some((own, others)) = shown.and_then(<[_]>::split_first) else { return Err(Untrusted::Nothing) };
        let fingerprint = Fingerprint::of(own);
        if pins.contains(&fingerprint) {
            return Ok(());
        }
        let Some(authorities) = &terms.authorities else { return Err(Untrusted::Pin(fingerprint)) };
        let not_proven = |error: Error| Untrusted::Authority(error.to_string(), fingerprint);
        let certificate = ParsedCertificate::try_from(own).map_err(not_proven)?;
        let algorithms = terms.provider.signature_verification_algorithms.all;
        let now = UnixTime::now();
        verify_server_cert_signed_by_trust_anchor(&certificate, authorities, others, now, algorithms)
            .map_err(not_proven)?;
        match named {
            Named::Yes => bears_one_of(&certificate, names, fingerprint),
            Named::No => Ok(()),
        }
    }
}

fn bears_one_of(
    certificate: &ParsedCertificate<'_>,
    names: &[ServerName<'_>],
    fingerprint: Fingerprint,
) -> Result<(), Untrusted> {
    let mut presented = Vec::new();
    for name in names {
        match verify_server_name(certificate, name) {
            Ok(()) => return Ok(()),
            Err(Error::InvalidCertificate(Fault::NotValidForNameContext { presented: borne, .. })) => presented = borne,
            Err(_) => {}
        }
    }
    if presented.is_empty() {
        return Err(Untrusted::Nameless(fingerprint));
    }
    let presented: Vec<_> = presented.iter().map(|name| bare(name)).collect();
    let asked = names.iter().map(ServerName::to_str).collect::<Vec<_>>().join(", ");
    Err(Untrusted::Name { presented: presented.join(", "), asked })
}

/// `DnsName("mysql-0.mysql")`, `IpAddress(10.0.0.1)`: without what it is.
fn bare(name: &str) -> &str {
    let inner = name.split_once('(').and_then(|(_, inner)| inner.strip_suffix(')'));
    inner.unwrap_or(name).trim_matches('"')
}

fn terms(pair: &[File], ca: Option<&File>, matters: bool) -> Result<Terms, CertificateError> {
    let provider = certificates::provider();
    let verifier = Arc::new(Shown { provider: Arc::clone(&provider), matters });
    let config = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    let config = match pair {
        [cert, key] => {
            let pair = certificates::pair(cert, key)?;
            config.with_client_auth_cert(pair.chain, pair.key)?
        }
        _ => config.with_no_client_auth(),
    };
    Ok(Terms { config: Arc::new(config), authorities: ca.map(certificates::authorities).transpose()?, provider })
}

/// Has the member prove that the certificate is its own. Whether that is one of a member is judged by [`Connector::judge`].
struct Shown {
    provider: Arc<CryptoProvider>,
    /// Whether it counts who the member is. If not, certificates of forms that are not known here do no harm.
    matters: bool,
}

impl fmt::Debug for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shown").field("matters", &self.matters).finish_non_exhaustive()
    }
}

impl Shown {
    fn proof(&self, proven: Result<HandshakeSignatureValid, Error>) -> Result<HandshakeSignatureValid, Error> {
        if self.matters { proven } else { Ok(HandshakeSignatureValid::assertion()) }
    }
}

impl ServerCertVerifier for Shown {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        self.proof(verify_tls12_signature(message, cert, signed, algorithms))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        self.proof(verify_tls13_signature(message, cert, signed, algorithms))
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
