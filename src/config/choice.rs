//! Settings that are one of a few words.

use super::{AuthSource, BackendTlsMode, ClusterKind};
use crate::session::Consistency;

/// A value that is written as one of a few words.
pub(super) trait Choice: Copy + 'static {
    /// All of them, in the order in which they are offered.
    const ALL: &'static [Self];

    /// The word.
    fn word(self) -> &'static str;

    /// The value of a word.
    fn of(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|choice| choice.word() == word)
    }
}

impl Choice for ClusterKind {
    const ALL: &'static [Self] = &[
        ClusterKind::Auto,
        ClusterKind::Replication,
        ClusterKind::Galera,
        ClusterKind::GroupReplication,
        ClusterKind::Single,
    ];

    fn word(self) -> &'static str {
        match self {
            ClusterKind::Auto => "auto",
            ClusterKind::Replication => "replication",
            ClusterKind::Galera => "galera",
            ClusterKind::GroupReplication => "group_replication",
            ClusterKind::Single => "single",
        }
    }
}

impl Choice for AuthSource {
    const ALL: &'static [Self] = &[AuthSource::Auto, AuthSource::Config];

    fn word(self) -> &'static str {
        match self {
            AuthSource::Auto => "auto",
            AuthSource::Config => "config",
        }
    }
}

impl Choice for Consistency {
    const ALL: &'static [Self] = &[Consistency::Session, Consistency::Global, Consistency::Eventual];

    fn word(self) -> &'static str {
        match self {
            Consistency::Session => "session",
            Consistency::Global => "global",
            Consistency::Eventual => "eventual",
        }
    }
}

impl Choice for BackendTlsMode {
    const ALL: &'static [Self] = &[
        BackendTlsMode::Disabled,
        BackendTlsMode::Preferred,
        BackendTlsMode::Required,
        BackendTlsMode::VerifyCa,
        BackendTlsMode::VerifyIdentity,
    ];

    fn word(self) -> &'static str {
        match self {
            BackendTlsMode::Disabled => "disabled",
            BackendTlsMode::Preferred => "preferred",
            BackendTlsMode::Required => "required",
            BackendTlsMode::VerifyCa => "verify_ca",
            BackendTlsMode::VerifyIdentity => "verify_identity",
        }
    }
}
