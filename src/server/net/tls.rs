//! Certificates, and the settings of TLS.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use rustls::crypto::ring;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection};

use super::tls_session::TlsSession;
use crate::start_error::{cannot, start_error};

/// A certificate and its key, with which a server proves its identity: see [`Server::tls`](crate::Server::tls).
///
/// TLS 1.2 and 1.3, by rustls with its safe defaults. Clones share the certificate: [`reload`](Tls::reload) of one
/// reloads all.
///
/// Requires the feature `tls`.
///
/// ```no_run
/// use hansel::{Server, Tls};
///
/// fn main() -> hansel::Result {
///     let tls = Tls::from_pem_files("fullchain.pem", "privkey.pem")?;
///     Ok(Server::bind("0.0.0.0:443")?.tls(tls).serve(|| "Hello, world!")?)
/// }
/// ```
#[derive(Clone)]
pub struct Tls(Arc<Certificate>);

struct Certificate {
    chain: PathBuf,
    key: PathBuf,
    config: RwLock<Arc<ServerConfig>>,
}

impl Tls {
    /// Reads the certificate, followed by those between it and a root, and its key: files in PEM, the key as PKCS #8,
    /// PKCS #1 or SEC1.
    ///
    /// # Errors
    /// Returns an error if a file cannot be read or contains nothing of the kind, or if the key belongs to another
    /// certificate; the error names the file.
    pub fn from_pem_files(chain: impl AsRef<Path>, key: impl AsRef<Path>) -> io::Result<Tls> {
        let (chain, key) = (chain.as_ref().to_owned(), key.as_ref().to_owned());
        let config = RwLock::new(read(&chain, &key)?);
        Ok(Tls(Arc::new(Certificate { chain, key, config })))
    }

    /// Reads the files again, for connections from now on: a certificate is renewed without a restart.
    ///
    /// # Errors
    /// Returns the errors of [`from_pem_files`](Tls::from_pem_files); then the old certificate stays.
    pub fn reload(&self) -> io::Result<()> {
        let config = read(&self.0.chain, &self.0.key)?;
        *self.0.config.write().unwrap_or_else(PoisonError::into_inner) = config;
        Ok(())
    }

    /// Creates the encryption of one connection.
    pub(crate) fn session(&self) -> io::Result<TlsSession> {
        let config = Arc::clone(&self.0.config.read().unwrap_or_else(PoisonError::into_inner));
        let tls = ServerConnection::new(config).map_err(io::Error::other)?;
        Ok(TlsSession::new(tls))
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls")
            .field("chain", &self.0.chain)
            .field("key", &self.0.key)
            .finish_non_exhaustive()
    }
}

fn read(chain: &Path, key: &Path) -> io::Result<Arc<ServerConfig>> {
    let certificates = CertificateDer::pem_file_iter(chain)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| unusable("certificate", chain, error))?;
    if certificates.is_empty() {
        return Err(unusable("certificate", chain, pem::Error::NoItemsFound));
    }
    let private = PrivateKeyDer::from_pem_file(key).map_err(|error| unusable("key", key, error))?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_no_client_auth()
        .with_single_cert(certificates, private)
        .map_err(|error| {
            let text = format!(
                "the certificate in {} and the key in {} do not go together: {error}; use the key that the certificate was \
                 made for",
                chain.display(),
                key.display()
            );
            start_error(io::ErrorKind::InvalidData, text)
        })?;
    // RFC 7301: a client that offers protocols without this one is refused.
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

fn unusable(what: &str, file: &Path, error: pem::Error) -> io::Error {
    let error = match error {
        pem::Error::Io(error) => error,
        pem::Error::NoItemsFound => io::Error::new(io::ErrorKind::InvalidData, format!("there is no {what} in it")),
        error => io::Error::new(io::ErrorKind::InvalidData, error.to_string()),
    };
    let here = std::env::current_dir().unwrap_or_default();
    let advice = match error.kind() {
        io::ErrorKind::NotFound if file.is_relative() => &format!("the path is relative to {}", here.display()),
        io::ErrorKind::PermissionDenied => "the user of this process may not read it",
        io::ErrorKind::InvalidData => "the file must be in PEM, which begins with -----BEGIN",
        _ => "",
    };
    cannot(format_args!("read the {what} from {}", file.display()), &error, advice)
}
