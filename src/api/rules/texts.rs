//! Texts of the rules that stand both here and, as CEL, in the schema of the CRD.

use crate::api::Problem;

/// Reason and mend of a [`Problem`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Text {
    pub(crate) reason: &'static str,
    pub(crate) mend: &'static str,
}

impl Text {
    /// A problem in these words.
    pub(crate) fn at(self, path: impl Into<String>, value: impl Into<String>) -> Problem {
        Problem::new(path, value, self.reason, self.mend)
    }
}

pub(crate) const NAME_LONG: Text = Text {
    reason: "is longer than 48 characters, and names of objects are made from it",
    mend: "choose a shorter name",
};
pub(crate) const NAME_SHAPE: Text = Text {
    reason: "cannot be part of a Service's name",
    mend: "use lower case letters, digits and '-', with a letter or digit at both ends",
};
pub(crate) const REPLICAS: Text = Text { reason: "is below 1", mend: "choose at least 1" };
pub(crate) const PORT: Text = Text { reason: "is not a port", mend: "choose one from 1 to 65535" };
pub(crate) const PORT_OF_SENTINEL: Text =
    Text { reason: "is the port of Sentinel", mend: "choose another, for example 6379" };
pub(crate) const STORAGE_TWICE: Text = Text {
    reason: "stands beside persistentVolumeClaim, and data can live in one place only",
    mend: "remove one of the two",
};
pub(crate) const CLAIM_SIZE: Text =
    Text { reason: "is missing, and a claim needs a size", mend: "add it, for example storage: 1Gi" };
pub(crate) const CLAIM_DROPPED: Text = Text {
    reason: "was removed, and the data in the claims would be left behind",
    mend: "keep it, or create another RedisFailover and move the data",
};
pub(crate) const CLASS_CHANGED: Text = Text {
    reason: "cannot change, because existing claims keep their class",
    mend: "set it back, or create another RedisFailover and move the data",
};
pub(crate) const CLAIM_MODES: Text = Text {
    reason: "is missing, and a claim says how its volume is used",
    mend: "add it, for example accessModes: [ReadWriteOnce]",
};
pub(crate) const CLAIM_ADDED: Text = Text {
    reason: "cannot be added to servers that run with an emptyDir: that is not supported yet",
    mend: "create another RedisFailover and move the data",
};
pub(crate) const CLAIM_RENAMED: Text = Text {
    reason: "cannot change, because the data lives in claims of the old name",
    mend: "set it back, or create another RedisFailover and move the data",
};
pub(crate) const GRACE: Text =
    Text { reason: "is below 1", mend: "give the server seconds to stop, such as 30" };
pub(crate) const ENTRY_EMPTY: Text =
    Text { reason: "an entry is empty", mend: "remove it, or write \"name value\"" };
pub(crate) const ENTRY_CONTROL: Text =
    Text { reason: "has a control character", mend: "use printable characters on one line" };
pub(crate) const ENTRY_NO_VALUE: Text = Text { reason: "has no value", mend: "write \"name value\"" };
pub(crate) const RENAME_OF_NOTHING: Text = Text { reason: "is missing", mend: "name the command to rename" };
pub(crate) const RENAME_CHARACTERS: Text = Text {
    reason: "has a character that names of commands cannot have",
    mend: "use letters, '_', '.', '|' and '-'",
};
pub(crate) const NOT_YET: Text = Text { reason: "is not supported yet", mend: "remove it" };
pub(crate) const NOT_YET_NO_HOST: Text =
    Text { reason: "has no host, and is not supported yet anyway", mend: "remove it" };
