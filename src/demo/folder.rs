//! A temporary folder that goes away with us.
//!
//! Knows where temporary folders belong, who must own what servers write into, and that the folder is removed even when
//! this process is killed. Must not know what lies in it.

use std::collections::hash_map::RandomState;
use std::env;
use std::fs::{self, Permissions};
use std::hash::{BuildHasher, Hasher};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::error::{ClusterError, During};

/// Waits for the pipe to close, then removes the folder; servers that are just being killed may still write into it.
const KEEPER: &str = r#"
read -r _
for attempt in 1 2 3 4 5 6 7 8 9 10; do
    rm -rf -- "$1" 2>/dev/null
    [ -e "$1" ] || exit 0
    sleep 0.1
done
exit 1
"#;

/// Paths of Unix sockets end at 107 bytes; this leaves room for what is put under the folder.
const LONGEST: usize = 80;

/// Who runs the servers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Owner {
    /// We are an ordinary user: the servers run as we do.
    Ourselves,
    /// We are root: the servers run as this account and own what they write.
    Account { name: &'static str, uid: u32, gid: u32 },
}

/// A folder of our own under the temporary folder.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    owner: Owner,
    keeper: Child,
}

impl Folder {
    pub(super) fn create() -> Result<Self, ClusterError> {
        let path = fresh_path();
        fs::create_dir(&path).during(|| format!("creating {}", path.display()))?;
        let keeper = Command::new("setsid")
            .args(["sh", "-c", KEEPER, "keeper"])
            .arg(&path)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .during(|| "starting the folder's keeper".to_owned())?;
        let mut folder = Self { path, owner: Owner::Ourselves, keeper };
        folder.owner = folder.find_owner()?;
        fs::set_permissions(&folder.path, Permissions::from_mode(0o755))
            .during(|| format!("opening {}", folder.path.display()))?;
        Ok(folder)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) const fn owner(&self) -> &Owner {
        &self.owner
    }

    /// Makes a folder below this one that the servers may write into.
    pub(super) fn subfolder(&self, name: &str) -> Result<PathBuf, ClusterError> {
        let path = self.path.join(name);
        fs::create_dir(&path).during(|| format!("creating {}", path.display()))?;
        if let Owner::Account { uid, gid, .. } = self.owner {
            chown(&path, Some(uid), Some(gid)).during(|| format!("giving {} away", path.display()))?;
        }
        Ok(path)
    }

    /// What we made belongs to us: its owner tells who we are, without asking the C library.
    fn find_owner(&self) -> Result<Owner, ClusterError> {
        let made = fs::metadata(&self.path).during(|| format!("looking at {}", self.path.display()))?;
        Ok(if made.uid() == 0 { account("mysql").unwrap_or(ROOT) } else { Owner::Ourselves })
    }
}

const ROOT: Owner = Owner::Account { name: "root", uid: 0, gid: 0 };

impl Drop for Folder {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        // The keeper has tried for a second; what it could not remove we cannot either.
        let _ = self.keeper.wait();
    }
}

fn account(name: &'static str) -> Option<Owner> {
    let number = |flag: &str| -> Option<u32> {
        let output = Command::new("id").args([flag, name]).output().ok()?;
        String::from_utf8(output.stdout).ok()?.trim().parse().ok()
    };
    Some(Owner::Account { name, uid: number("-u")?, gid: number("-g")? })
}

fn fresh_path() -> PathBuf {
    let name = format!("mysql-proxy-{:012x}", random() & 0xffff_ffff_ffff);
    let wanted = env::temp_dir().join(&name);
    if wanted.as_os_str().as_bytes().len() <= LONGEST { wanted } else { Path::new("/tmp").join(name) }
}

/// Good enough to keep apart what runs at the same time; not for secrets.
pub(super) fn random() -> u64 {
    let mut hasher = RandomState::new().build_hasher();
    hasher.write_u32(std::process::id());
    hasher.finish()
}
