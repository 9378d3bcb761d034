//! Something that is made of files, with what they were when it was made.
//!
//! Knows when two are of the same files. Must not know what is made of them, nor who makes it again when they change.

use std::{fmt, path::PathBuf, sync::Arc};

use aws_lc_rs::digest;

use super::certificates::{CertificateError, File};

/// What is made of files.
pub(super) struct Made<T> {
    /// What it is.
    pub thing: Arc<T>,
    paths: Vec<PathBuf>,
    /// The digest of all of them.
    digest: digest::Digest,
}

impl<T> fmt::Debug for Made<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Made").field("paths", &self.paths).finish_non_exhaustive()
    }
}

impl<T> Made<T> {
    /// Reads the files, and makes it of them in the order of their paths.
    pub fn of(
        paths: Vec<PathBuf>,
        make: impl Fn(&[File]) -> Result<T, CertificateError>,
    ) -> Result<Self, CertificateError> {
        let files = paths.iter().map(|path| File::read(path)).collect::<Result<Vec<_>, _>>()?;
        Ok(Made { thing: Arc::new(make(&files)?), digest: digest_of(&files), paths })
    }

    /// Whether both are of the same bytes: which of them is used makes no difference then.
    pub fn is_of_the_same_as(&self, other: &Self) -> bool {
        self.paths == other.paths && self.digest.as_ref() == other.digest.as_ref()
    }
}

fn digest_of(files: &[File]) -> digest::Digest {
    let mut context = digest::Context::new(&digest::SHA256);
    for file in files {
        context.update(&file.bytes().len().to_le_bytes());
        context.update(file.bytes());
    }
    context.finish()
}
