//! Something that is made of files, and made again when they change.
//!
//! Knows when files were looked at, and that what cannot be used changes nothing. Must not know what is made of them.

use std::{
    fmt,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;
use aws_lc_rs::digest;
use tokio::sync::Mutex;
use tracing::{info, warn};

use super::certificates::{CertificateError, File};

/// How often files are looked at, at most.
const LOOK: Duration = Duration::from_secs(1);

/// Makes it of the files, in the order of their paths.
pub type Make<T> = dyn Fn(&[File]) -> Result<T, CertificateError> + Send + Sync;

/// What is made of files.
pub struct Watched<T> {
    /// The section of the configuration, for the log.
    section: &'static str,
    paths: Vec<PathBuf>,
    make: Box<Make<T>>,
    current: ArcSwap<T>,
    looked: Mutex<Looked>,
}

/// What the files were when they were last looked at.
#[derive(Debug)]
struct Looked {
    at: Instant,
    /// The digest of all of them; none while they cannot be read.
    seen: Option<digest::Digest>,
    /// What the log was told last.
    complaint: Option<String>,
}

impl<T> fmt::Debug for Watched<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watched").field("section", &self.section).field("paths", &self.paths).finish_non_exhaustive()
    }
}

impl<T> Watched<T> {
    /// Reads the files, and makes it.
    pub fn new(section: &'static str, paths: Vec<PathBuf>, make: Box<Make<T>>) -> Result<Self, CertificateError> {
        let files = read(&paths)?;
        let current = ArcSwap::from_pointee(make(&files)?);
        let looked = Looked { at: Instant::now(), seen: Some(digest_of(&files)), complaint: None };
        Ok(Watched { section, paths, make, current, looked: Mutex::new(looked) })
    }

    /// As the files say now, or said when they were last of use.
    pub async fn current(&self) -> Arc<T> {
        // Of many who come at once one looks.
        if !self.paths.is_empty()
            && let Ok(mut looked) = self.looked.try_lock()
            && looked.at.elapsed() >= LOOK
        {
            looked.at = Instant::now();
            self.look(&mut looked).await;
        }
        self.current.load_full()
    }

    async fn look(&self, looked: &mut Looked) {
        let paths = self.paths.clone();
        let Ok(read) = tokio::task::spawn_blocking(move || read(&paths)).await else { return };
        let seen = read.as_deref().ok().map(digest_of);
        let bytes = |digest: &Option<digest::Digest>| digest.as_ref().map(|digest| digest.as_ref().to_vec());
        if seen.is_some() && bytes(&seen) == bytes(&looked.seen) {
            return;
        }
        looked.seen = seen;
        match read.and_then(|files| (self.make)(&files)) {
            Ok(made) => {
                info!(section = self.section, "certificates or keys have changed, and are used from now on");
                looked.complaint = None;
                self.current.store(Arc::new(made));
            }
            Err(error) => {
                let complaint = error.to_string();
                if looked.complaint.as_ref() != Some(&complaint) {
                    let section = self.section;
                    warn!(section, error = %complaint, "certificates or keys have changed and cannot be used; those of before stay");
                    looked.complaint = Some(complaint);
                }
            }
        }
    }

    /// As if it was long ago that the files were looked at.
    #[cfg(test)]
    pub async fn look_again(&self) {
        if let Some(before) = Instant::now().checked_sub(LOOK) {
            self.looked.lock().await.at = before;
        }
    }
}

fn read(paths: &[PathBuf]) -> Result<Vec<File>, CertificateError> {
    paths.iter().map(|path| File::read(path)).collect()
}

fn digest_of(files: &[File]) -> digest::Digest {
    let mut context = digest::Context::new(&digest::SHA256);
    for file in files {
        context.update(&file.bytes().len().to_le_bytes());
        context.update(file.bytes());
    }
    context.finish()
}
