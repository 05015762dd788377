//! Files, folders and standard input as texts.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::api::Problem;

/// Largest input that is read, in bytes: ten times what the API server takes for one object, and far above what people
/// keep in a file.
pub const MAX_BYTES: u64 = 16 * 1024 * 1024;

/// Endings of the files that are read in a folder; a file that is named itself can have any.
const ENDINGS: [&str; 3] = ["yaml", "yml", "json"];

/// A file, or standard input.
#[derive(Clone, Debug)]
pub struct Source {
    /// Its name as the user wrote it, with the path below a folder; `-` is standard input.
    pub file: String,
    /// What is in it, or why it cannot be read.
    pub text: Result<String, Problem>,
}

/// Reads files, folders with all that is below them, and standard input (`-`).
#[must_use]
pub fn read(paths: &[PathBuf]) -> Vec<Source> {
    paths.iter().flat_map(|path| read_one(path)).collect()
}

fn read_one(path: &Path) -> Vec<Source> {
    let source = |path: &Path, text| Source { file: path.display().to_string(), text };
    if path == Path::new("-") {
        return vec![source(path, text_of(io::stdin().lock()))];
    }
    if !path.is_dir() {
        return vec![source(path, open(path))];
    }
    let mut files = Vec::new();
    match walk(path, &mut files) {
        Err(error) => vec![source(path, Err(unreadable(&error)))],
        Ok(()) if files.is_empty() => {
            let problem =
                Problem::new("", "", "has no file that ends in .yaml, .yml or .json", "name another folder");
            vec![source(path, Err(problem))]
        }
        Ok(()) => files.iter().map(|path| source(path, open(path))).collect(),
    }
}

/// Collects the files below a folder in the order of their names. Hidden ones are left out, and so are links to folders:
/// they can lead in circles.
fn walk(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    let mut entries = fs::read_dir(folder)?.collect::<io::Result<Vec<_>>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        if entry.file_name().to_string_lossy().starts_with('.') {
            continue;
        }
        if entry.file_type()?.is_dir() {
            walk(&path, files)?;
        } else if is_manifest(&path) && !path.is_dir() {
            files.push(path);
        }
    }
    Ok(())
}

fn is_manifest(path: &Path) -> bool {
    let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
    ENDINGS.iter().any(|known| ending.eq_ignore_ascii_case(known))
}

fn open(path: &Path) -> Result<String, Problem> {
    text_of(fs::File::open(path).map_err(|error| unreadable(&error))?)
}

fn text_of(input: impl Read) -> Result<String, Problem> {
    let mut bytes = Vec::new();
    let read = input.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(|error| unreadable(&error))?;
    if u64::try_from(read).is_ok_and(|read| read > MAX_BYTES) {
        return Err(Problem::new("", "", "is larger than 16 MiB", "split it"));
    }
    String::from_utf8(bytes).map_err(|_| Problem::new("", "", "is not UTF-8 text", "convert it to UTF-8"))
}

fn unreadable(error: &io::Error) -> Problem {
    Problem::new("", "", format!("cannot be read: {error}"), "check the path and its rights")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder that is removed when it is dropped.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str, files: &[(&str, &[u8])]) -> Self {
            let root = std::env::temp_dir().join(format!("redis-operator-{name}-{}", std::process::id()));
            for (file, bytes) in files {
                let path = root.join(file);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, bytes).unwrap();
            }
            Self(root)
        }

        fn read(&self, below: &str) -> Vec<(String, Result<String, String>)> {
            let prefix = format!("{}/", self.0.display());
            let named = |source: Source| {
                let file = source.file.strip_prefix(&prefix).unwrap_or_default().to_owned();
                (file, source.text.map_err(|problem| problem.reason))
            };
            read(&[self.0.join(below)]).into_iter().map(named).collect()
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn a_folder_is_read_in_order_with_what_is_below_and_without_what_is_hidden() {
        let folder = Folder::new(
            "walk",
            &[
                ("b.yml", b"b"),
                ("a.YAML", b"a"),
                ("c/d.json", b"d"),
                ("c/.hidden.yaml", b""),
                (".git/config.yaml", b""),
                ("notes.txt", b""),
                ("link-target/e.yaml", b"e"),
            ],
        );
        std::os::unix::fs::symlink(&folder.0, folder.0.join("c/circle.yaml")).unwrap();
        std::os::unix::fs::symlink(folder.0.join("b.yml"), folder.0.join("z.yaml")).unwrap();
        let expected = [
            ("a.YAML", "a"),
            ("b.yml", "b"),
            ("c/d.json", "d"),
            ("link-target/e.yaml", "e"),
            ("z.yaml", "b"),
        ];
        let expected = expected.map(|(file, text)| (file.to_owned(), Ok(text.to_owned())));
        assert_eq!(folder.read(""), expected);
    }

    #[test]
    fn what_cannot_be_read_says_why() {
        let big = vec![b' '; usize::try_from(MAX_BYTES).unwrap() + 1];
        let folder = Folder::new(
            "unreadable",
            &[
                ("empty/notes.txt", b""),
                ("latin1.yaml", b"name: f\xfcr"),
                ("utf16.yaml", b"\xff\xfea\0"),
                ("big.yaml", &big),
                ("just.yaml", &big[1..]),
            ],
        );
        let said = |file| folder.read(file)[0].1.clone().unwrap_err();
        assert_eq!(said("empty"), "has no file that ends in .yaml, .yml or .json");
        assert_eq!(said("latin1.yaml"), "is not UTF-8 text");
        assert_eq!(said("utf16.yaml"), "is not UTF-8 text");
        assert_eq!(said("big.yaml"), "is larger than 16 MiB");
        assert!(said("nowhere.yaml").starts_with("cannot be read: No such file"));
        assert!(folder.read("just.yaml")[0].1.is_ok());
        assert_eq!(folder.read("empty/notes.txt")[0].1, Ok(String::new()), "named itself");
    }
}
