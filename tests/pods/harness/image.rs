//! What stands in for an image: a small root file system of this machine's programs.
//!
//! Knows which commands an image has, and that a script which needs others must fail here as it would there. Must not
//! know what the manifests do with them.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

/// Where a container finds the machine's own programs, beyond `PATH`.
pub const MACHINE: &str = "/.machine";

/// What all containers of a node share, for stand-ins to spare work that is always the same.
pub const SHARED: &str = "/.shared";

/// `mysqld --initialize-insecure` takes seconds and always makes the same: only the first does it.
const INITIALIZED_ONCE: &str = r#"
case " $* " in
  *" --initialize-insecure "*)
    datadir=
    for word; do case $word in --datadir=*) datadir=${word#*=} ;; esac; done
    exec 9>>/.shared/lock
    /.machine/flock 9
    if [ ! -d /.shared/initialized ]; then
      program "$@" 9>&- || exit
      rm -rf /.shared/half
      cp -a "$datadir" /.shared/half
      rm -f /.shared/half/auto.cnf
      mv -T /.shared/half /.shared/initialized
      exit
    fi
    cp -a /.shared/initialized/. "$datadir"
    exit
    ;;
esac
"#;

/// What every image that has a shell has: bash and the core utilities, and nothing of hostname, ping or ncat.
const SLIM: &[&str] = &[
    "bash",
    "sh",
    "[",
    "base64",
    "basename",
    "cat",
    "chgrp",
    "chmod",
    "chown",
    "cp",
    "cut",
    "date",
    "dd",
    "df",
    "dirname",
    "du",
    "echo",
    "env",
    "expr",
    "false",
    "head",
    "id",
    "install",
    "ln",
    "ls",
    "md5sum",
    "mkdir",
    "mkfifo",
    "mktemp",
    "mv",
    "nl",
    "nproc",
    "od",
    "paste",
    "printenv",
    "printf",
    "pwd",
    "readlink",
    "realpath",
    "rm",
    "rmdir",
    "seq",
    "sha256sum",
    "shuf",
    "sleep",
    "sort",
    "split",
    "stat",
    "stdbuf",
    "sum",
    "sync",
    "tac",
    "tail",
    "tee",
    "test",
    "timeout",
    "touch",
    "tr",
    "true",
    "truncate",
    "tty",
    "uname",
    "uniq",
    "wc",
    "whoami",
    "grep",
    "sed",
    "gzip",
    "gunzip",
    "tar",
    "getent",
];

/// An image's stand-in.
#[derive(Clone, Default)]
pub struct StandIn {
    commands: BTreeMap<String, Program>,
    binds: Vec<PathBuf>,
    accounts: Vec<(String, u32)>,
    /// What runs without `command`.
    pub entrypoint: Vec<String>,
    /// What runs without `args`.
    pub arguments: Vec<String>,
    /// The user without `runAsUser`.
    pub user: u32,
}

#[derive(Clone)]
enum Program {
    Link(String),
    Script(String),
}

impl StandIn {
    /// With nothing.
    pub fn empty() -> Self {
        Self::default()
    }

    /// With bash and the core utilities.
    pub fn slim() -> Self {
        SLIM.iter().fold(Self::empty(), |image, name| image.link(name, &format!("{MACHINE}/{name}")))
    }

    /// A command that is a file of this machine, seen at its own path: bind its folder if it is not below `/usr`.
    #[must_use]
    pub fn link(mut self, name: &str, target: &str) -> Self {
        self.commands.insert(name.into(), Program::Link(target.into()));
        self
    }

    /// A command that is a script.
    #[must_use]
    pub fn script(mut self, name: &str, text: &str) -> Self {
        self.commands.insert(name.into(), Program::Script(text.into()));
        self
    }

    /// A file or folder of this machine, read-only at its own path.
    #[must_use]
    pub fn bind(mut self, path: &Path) -> Self {
        self.binds.push(path.into());
        self
    }

    /// A line in `/etc/passwd`.
    #[must_use]
    pub fn account(mut self, name: &str, id: u32) -> Self {
        self.accounts.push((name.into(), id));
        self
    }

    /// What the image runs by itself.
    #[must_use]
    pub fn entrypoint(mut self, words: &[&str]) -> Self {
        self.entrypoint = words.iter().map(|word| (*word).to_owned()).collect();
        self
    }

    /// The official images of Oracle MySQL: the servers of the folder that holds `bin/mysqld`.
    pub fn mysql(unpacked: &Path) -> Self {
        let at = unpacked.display();
        let wrapped = |program: &str, options: &str, before: &str| {
            format!(
                "#!/bin/bash\nfirst=()\ncase \"${{1:-}}\" in --no-defaults|--defaults*) first=(\"$1\"); shift ;; esac\n\
                 program() {{ {at}/bin/{program} \"${{first[@]}}\" --plugin-dir={at}/plugin {options} \"$@\"; }}\n{before}\n\
                 exec {at}/bin/{program} \"${{first[@]}}\" --plugin-dir={at}/plugin {options} \"$@\"\n"
            )
        };
        let server = format!("--basedir={at} --lc-messages-dir={at}/share --character-sets-dir={at}/share/charsets");
        Self::slim()
            .bind(unpacked)
            .account("mysql", 999)
            .script("mysqld", &wrapped("mysqld", &server, INITIALIZED_ONCE))
            .script("mysql", &wrapped("mysql", "", ""))
            .script("mysqladmin", &wrapped("mysqladmin", "", ""))
            .script("mysqldump", &wrapped("mysqldump", "", ""))
    }

    /// The proxy's own image: this build's binary and nothing else.
    pub fn proxy() -> Self {
        let binary = env!("CARGO_BIN_EXE_mysql-proxy");
        Self { user: 65532, ..Self::empty() }.bind(Path::new(binary)).entrypoint(&[binary])
    }

    /// Makes the tree that each container's root is a copy of.
    pub fn write(&self, root: &Path) {
        for folder in
            ["usr/bin", "usr/sbin", "usr/lib", "usr/lib64", "usr/share", "etc", "proc", "dev", "run", "var/lib"]
        {
            fs::create_dir_all(root.join(folder)).unwrap();
        }
        for (link, target) in [
            ("bin", "usr/bin"),
            ("sbin", "usr/sbin"),
            ("lib", "usr/lib"),
            ("lib64", "usr/lib64"),
            ("var/run", "../run"),
        ] {
            symlink(target, root.join(link)).unwrap();
        }
        fs::create_dir_all(root.join(&MACHINE[1..])).unwrap();
        fs::create_dir_all(root.join("tmp")).unwrap();
        fs::set_permissions(root.join("tmp"), fs::Permissions::from_mode(0o1777)).unwrap();
        for (name, program) in &self.commands {
            let path = root.join("usr/bin").join(name);
            match program {
                Program::Link(target) => symlink(target, path).unwrap(),
                Program::Script(text) => {
                    fs::write(&path, text).unwrap();
                    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
                }
            }
        }
        let line = |(name, id): &(String, u32)| format!("{name}:x:{id}:{id}::/:/bin/bash\n");
        let accounts: String = std::iter::once(&("root".to_owned(), 0)).chain(&self.accounts).map(line).collect();
        fs::write(root.join("etc/passwd"), accounts).unwrap();
        fs::write(root.join("etc/nsswitch.conf"), "passwd: files\ngroup: files\nhosts: files dns\n").unwrap();
        fs::copy("/etc/ld.so.cache", root.join("etc/ld.so.cache")).unwrap();
        for name in ["hosts", "hostname", "resolv.conf"] {
            fs::write(root.join("etc").join(name), "").unwrap();
        }
        for bind in &self.binds {
            let target = root.join(bind.strip_prefix("/").unwrap());
            fs::create_dir_all(if bind.is_dir() { &target } else { target.parent().unwrap() }).unwrap();
            if !bind.is_dir() {
                fs::write(target, "").unwrap();
            }
        }
    }

    /// What is bound into the copy, read-only: from, and to below the root.
    pub fn binds(&self) -> Vec<(PathBuf, PathBuf)> {
        let mut binds: Vec<(PathBuf, PathBuf)> =
            ["lib", "lib64", "share"].map(|name| (Path::new("/usr").join(name), Path::new("usr").join(name))).into();
        binds.push(("/usr/bin".into(), MACHINE[1..].into()));
        binds.extend(self.binds.iter().map(|path| (path.clone(), path.strip_prefix("/").unwrap().to_owned())));
        binds.retain(|(from, _)| from.exists());
        binds
    }
}

/// Which stand-in is used for an image, by the image's name without tag and digest.
#[derive(Clone, Default)]
pub struct Images(BTreeMap<String, StandIn>);

impl Images {
    /// Adds one.
    #[must_use]
    pub fn with(mut self, image: &str, stand_in: StandIn) -> Self {
        self.0.insert(image.into(), stand_in);
        self
    }

    /// The stand-in, and a word for it.
    pub fn of(&self, image: &str) -> (&str, &StandIn) {
        let without_digest = image.split('@').next().unwrap();
        let name = match without_digest.rsplit_once(':') {
            Some((name, tag)) if !tag.contains('/') => name,
            _ => without_digest,
        };
        let (name, stand_in) = self.0.get_key_value(name).unwrap_or_else(|| panic!("nothing stands in for {image}"));
        (name, stand_in)
    }

    /// All of them.
    pub fn all(&self) -> impl Iterator<Item = (&str, &StandIn)> {
        self.0.iter().map(|(name, stand_in)| (name.as_str(), stand_in))
    }
}
