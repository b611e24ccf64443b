//! Values as they stand in a file.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use toml::de::DeValue;

/// A value, and where it stands.
pub(super) struct Given<'a> {
    pub(super) value: &'a DeValue<'a>,
    /// The file it stands in.
    pub(super) path: &'a Path,
    /// What relative paths are relative to.
    pub(super) folder: &'a Path,
    /// Warn, instead of refusing, when others can read a key.
    pub(super) warn_only: bool,
}

/// What is wrong, to follow the name of the key.
pub(super) type Problem = String;

impl Given<'_> {
    pub(super) fn text(&self) -> Result<&str, Problem> {
        self.value
            .as_str()
            .ok_or_else(|| self.not("must be a text"))
    }

    pub(super) fn flag(&self) -> Result<bool, Problem> {
        self.value
            .as_bool()
            .ok_or_else(|| self.not("must be true or false"))
    }

    /// A whole number that is not negative, of any size that fits.
    pub(super) fn count<T: TryFrom<u64>>(&self) -> Result<T, Problem> {
        self.integer()
            .and_then(|count| T::try_from(count).ok())
            .ok_or_else(|| self.not("must be a count"))
    }

    /// The member `name` of a table with these members and no others.
    pub(super) fn member<'a>(&'a self, name: &str, members: &[&str]) -> Result<Given<'a>, Problem> {
        let table = self.value.as_table();
        let fits = table.is_some_and(|table| {
            table.len() == members.len() && members.iter().all(|member| table.contains_key(*member))
        });
        match self.value.get(name).filter(|_| fits) {
            Some(value) => Ok(Given {
                value: value.get_ref(),
                ..*self
            }),
            None => Err(format!("must be a table of {}", members.join(" and "))),
        }
    }

    pub(super) fn duration(&self) -> Result<Duration, Problem> {
        let parsed = match (self.value.as_str(), self.integer()) {
            (Some("none"), _) => Some(Duration::MAX),
            (Some(text), _) => duration(text),
            (None, seconds) => seconds.map(Duration::from_secs),
        };
        parsed.ok_or_else(|| self.not("must be a time such as \"30s\""))
    }

    pub(super) fn bytes(&self) -> Result<usize, Problem> {
        let parsed = match self.value.as_str() {
            Some(text) => bytes(text),
            None => self.integer().and_then(|bytes| usize::try_from(bytes).ok()),
        };
        parsed.ok_or_else(|| self.not("must be a size such as \"64 MiB\""))
    }

    /// A text, or a list of them.
    pub(super) fn texts(&self) -> Result<Vec<String>, Problem> {
        if let Some(text) = self.value.as_str() {
            return Ok(vec![text.to_owned()]);
        }
        let items = self.value.as_array().into_iter().flatten();
        let texts: Option<Vec<_>> = items
            .map(|item| item.get_ref().as_str().map(str::to_owned))
            .collect();
        texts
            .filter(|texts| !texts.is_empty())
            .ok_or_else(|| self.not("must be a text or a list of texts"))
    }

    /// The file that this value names.
    pub(super) fn beside(&self) -> Result<PathBuf, Problem> {
        Ok(self.folder.join(self.text()?))
    }

    /// Its text.
    pub(super) fn file(&self) -> Result<String, Problem> {
        let path = self.beside()?;
        fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))
    }

    /// A key that stands in the file itself.
    pub(super) fn key(&self) -> Result<&str, Problem> {
        self.check_permissions(self.path)?;
        self.text()
    }

    /// A key in a file of its own.
    pub(super) fn key_file(&self) -> Result<String, Problem> {
        self.check_permissions(&self.folder.join(self.text()?))?;
        Ok(self.file()?.trim().to_owned())
    }

    /// Others on the machine must not be able to read it.
    fn check_permissions(&self, path: &Path) -> Result<(), Problem> {
        let shown = path.display();
        let metadata = fs::metadata(path).map_err(|error| format!("{shown}: {error}"))?;
        if !readable_by_others(&metadata) {
            return Ok(());
        }
        let problem = format!(
            "stands in {shown}, which others can read; run `chmod 600 {shown}`, or say \
             loose_permissions = \"warn\""
        );
        if self.warn_only {
            tracing::warn!("an API key {problem}");
            return Ok(());
        }
        Err(problem)
    }

    fn integer(&self) -> Option<u64> {
        let integer = self.value.as_integer()?;
        u64::from_str_radix(integer.as_str(), integer.radix()).ok()
    }

    fn not(&self, expected: &str) -> Problem {
        let given = match self.value {
            DeValue::String(text) => format!("{:?}", text.as_ref()),
            DeValue::Integer(number) => number.as_str().to_owned(),
            DeValue::Float(number) => number.as_str().to_owned(),
            other => format!("a {}", other.type_str()),
        };
        format!("{expected}, not {given}")
    }
}

#[cfg(unix)]
fn readable_by_others(metadata: &fs::Metadata) -> bool {
    std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o077 != 0
}

/// Elsewhere permissions are no bits that could be looked at.
#[cfg(not(unix))]
const fn readable_by_others(_: &fs::Metadata) -> bool {
    false
}

/// A number and its unit.
fn split(text: &str) -> Option<(f64, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let (number, unit) = text.split_at_checked(end)?;
    Some((number.parse().ok()?, unit.trim()))
}

fn duration(text: &str) -> Option<Duration> {
    let (number, unit) = split(text)?;
    let seconds = match unit {
        "ms" => 0.001,
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        "d" => 86_400.0,
        _ => return None,
    };
    Duration::try_from_secs_f64(number * seconds).ok()
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "what is no size of this machine is refused first"
)]
fn bytes(text: &str) -> Option<usize> {
    let (number, unit) = split(text)?;
    let factor = match unit {
        "B" => 1.0,
        "KiB" => 1024.0,
        "MiB" => 1_048_576.0,
        "GiB" => 1_073_741_824.0,
        _ => return None,
    };
    let bytes = number * factor;
    (bytes < usize::MAX as f64).then_some(bytes as usize)
}
