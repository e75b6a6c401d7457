//! What every program on a machine needs: its system folders, and the tools that its user has installed.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};

/// Folders and files of the system that programs read. Those that a machine lacks are left out.
const SYSTEM: &[&str] = &[
    "/bin",
    "/lib",
    "/lib32",
    "/lib64",
    "/libx32",
    "/nix/store",
    "/opt",
    "/run/current-system",
    "/run/systemd/resolve",
    "/sbin",
    "/sys/devices/system/cpu",
    "/usr",
];

/// What programs read below `/etc`. The rest of it may hold secrets of the machine.
const ETC: &[&str] = &[
    "alternatives",
    "bash.bashrc",
    "ca-certificates",
    "crypto-policies",
    "debian_version",
    "default/locale",
    "fonts",
    "gitconfig",
    "group",
    "host.conf",
    "hosts",
    "inputrc",
    "java-17-openjdk",
    "java-21-openjdk",
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "locale.alias",
    "locale.conf",
    "localtime",
    "magic",
    "mime.types",
    "nsswitch.conf",
    "os-release",
    "passwd",
    "pki/ca-trust",
    "pki/tls/cert.pem",
    "pki/tls/certs",
    "profile",
    "profile.d",
    "protocols",
    "python3",
    "resolv.conf",
    "services",
    "shells",
    "ssl/cert.pem",
    "ssl/certs",
    "ssl/openssl.cnf",
    "static",
    "terminfo",
    "timezone",
    "zshrc",
];

/// Tools that users install for themselves: the variable that says where, the place in the home folder otherwise, and
/// the parts that are read. What else lies there (credentials, histories) stays out of reach.
const TOOLS: &[Tool] = &[
    Tool { variable: "RUSTUP_HOME", home: ".rustup", parts: &[""], tell: Tell::Place },
    Tool { variable: "CARGO_HOME", home: ".cargo", parts: &["bin"], tell: Tell::Nothing },
    Tool { variable: "PYENV_ROOT", home: ".pyenv", parts: &[""], tell: Tell::Place },
    Tool { variable: "NVM_DIR", home: ".nvm", parts: &[""], tell: Tell::Place },
    Tool { variable: "VOLTA_HOME", home: ".volta", parts: &["bin", "tools"], tell: Tell::Place },
    Tool { variable: "RBENV_ROOT", home: ".rbenv", parts: &[""], tell: Tell::Place },
    Tool { variable: "SDKMAN_DIR", home: ".sdkman", parts: &["candidates"], tell: Tell::Place },
    Tool { variable: "BUN_INSTALL", home: ".bun", parts: &["bin"], tell: Tell::Nothing },
    Tool { variable: "DENO_INSTALL", home: ".deno", parts: &["bin"], tell: Tell::Nothing },
    Tool { variable: "CONDA_PREFIX", home: "miniconda3", parts: &[""], tell: Tell::Place },
    Tool { variable: "JAVA_HOME", home: ".java", parts: &[""], tell: Tell::Place },
    Tool { variable: "GOROOT", home: "sdk/go", parts: &[""], tell: Tell::Place },
    Tool { variable: "VIRTUAL_ENV", home: ".venv", parts: &[""], tell: Tell::Place },
    Tool {
        variable: "XDG_DATA_HOME",
        home: ".local/share",
        parts: &["mise/installs", "mise/shims", "pipx", "pnpm", "uv"],
        tell: Tell::Nothing,
    },
    Tool { variable: "", home: ".local", parts: &["bin", "lib"], tell: Tell::Nothing },
];

/// Variables that commands get as they are. None of them carries a secret.
const VARIABLES: &[&str] = &[
    "LANG",
    "LANGUAGE",
    "LOGNAME",
    "NODE_EXTRA_CA_CERTS",
    "PATH",
    "SHELL",
    "SSL_CERT_DIR",
    "SSL_CERT_FILE",
    "TZ",
    "USER",
];

struct Tool {
    variable: &'static str,
    home: &'static str,
    parts: &'static [&'static str],
    tell: Tell,
}

/// What a command is told of the place of a tool.
enum Tell {
    /// The variable, since the home folder that the command sees is another.
    Place,
    /// Nothing: the tool would write there.
    Nothing,
}

/// What programs on this machine need to run at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Machine {
    /// Trees and files that may be read, sorted, without links.
    pub(crate) readable: Vec<PathBuf>,
    /// Links that stand where programs expect something, and what they say, sorted.
    pub(crate) links: Vec<(PathBuf, PathBuf)>,
    /// The variables that a command gets.
    pub(crate) environment: BTreeMap<OsString, OsString>,
}

impl Machine {
    /// Looks at this machine. `variables` is the environment of the user.
    pub fn look(variables: impl IntoIterator<Item = (OsString, OsString)>) -> io::Result<Self> {
        let variables: BTreeMap<OsString, OsString> = variables.into_iter().collect();
        let (wanted, environment) = needs(&variables);
        let mut machine = Self { readable: Vec::new(), links: Vec::new(), environment };
        for path in wanted {
            machine.add(&path)?;
        }
        machine.readable.sort();
        machine.readable.dedup();
        machine.links.sort();
        machine.links.dedup();
        Ok(machine)
    }

    /// The folders that programs are looked for in, as the user has them.
    pub fn search_path(&self) -> Option<&OsString> {
        self.environment.get(std::ffi::OsStr::new("PATH"))
    }

    /// Adds `path` if it is there, and where it leads to.
    fn add(&mut self, path: &Path) -> io::Result<()> {
        let told = match fs_err::symlink_metadata(path) {
            Ok(told) => told,
            // A missing folder is nothing to read, and neither is one that its user may not see.
            Err(error)
                if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied) =>
            {
                return Ok(());
            }
            Err(error) if error.kind() == io::ErrorKind::NotADirectory => return Ok(()),
            Err(error) => return Err(error),
        };
        if told.is_symlink() {
            self.links.push((path.to_path_buf(), fs_err::read_link(path)?));
            // A link that leads nowhere is left as it is.
            if let Ok(target) = fs_err::canonicalize(path) {
                self.readable.push(target);
            }
        } else {
            self.readable.push(path.to_path_buf());
        }
        Ok(())
    }
}

/// What is wanted from a machine whose user has `variables`, and the variables that a command gets.
fn needs(variables: &BTreeMap<OsString, OsString>) -> (Vec<PathBuf>, BTreeMap<OsString, OsString>) {
    let value = |name: &str| variables.get(std::ffi::OsStr::new(name));
    let absolute = |name: &str| value(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let home = absolute("HOME");
    let mut wanted: Vec<PathBuf> = SYSTEM.iter().map(PathBuf::from).collect();
    wanted.extend(ETC.iter().map(|name| Path::new("/etc").join(name)));
    wanted.extend(["SSL_CERT_FILE", "SSL_CERT_DIR", "NODE_EXTRA_CA_CERTS"].into_iter().filter_map(absolute));
    let search =
        value("PATH").map(|path| std::env::split_paths(path).collect::<Vec<_>>()).unwrap_or_default();
    // A program in the home folder itself must not open the whole of it.
    let is_narrow = |folder: &PathBuf| {
        folder.is_absolute()
            && folder.parent().is_some()
            && home.as_ref().is_none_or(|home| !home.starts_with(folder))
    };
    wanted.extend(search.into_iter().filter(is_narrow));
    let mut environment: BTreeMap<OsString, OsString> = variables
        .iter()
        .filter(|(name, _)| {
            name.to_str().is_some_and(|name| VARIABLES.contains(&name) || name.starts_with("LC_"))
        })
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    for tool in TOOLS {
        let place = absolute(tool.variable).or_else(|| Some(home.as_ref()?.join(tool.home)));
        let Some(place) = place.filter(|place| home.as_ref().is_none_or(|home| !home.starts_with(place)))
        else {
            continue;
        };
        wanted.extend(
            tool.parts.iter().map(|part| if part.is_empty() { place.clone() } else { place.join(part) }),
        );
        match tool.tell {
            // Only where it is: a variable that points to nothing confuses tools that look for it.
            Tell::Place if value(tool.variable).is_some() || tool.variable == "RUSTUP_HOME" => {
                environment.insert(tool.variable.into(), place.into_os_string());
            }
            Tell::Place | Tell::Nothing => {}
        }
    }
    (wanted, environment)
}

/// The program `name` in the first of the folders of `search`, a search path, that has it. Folders that are named from
/// where somebody stands do not count: an agent could put anything there.
pub fn program(search: &OsStr, name: &str) -> Option<PathBuf> {
    std::env::split_paths(search)
        .filter(|folder| folder.is_absolute())
        .map(|folder| folder.join(name))
        .find(|path| is_program(path))
}

fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    fs_err::metadata(path).is_ok_and(|told| told.is_file() && told.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables(list: &[(&str, &str)]) -> BTreeMap<OsString, OsString> {
        list.iter().map(|(name, value)| (OsString::from(name), OsString::from(value))).collect()
    }

    #[test]
    fn keys_of_the_user_never_reach_a_command() {
        let (_, environment) = needs(&variables(&[
            ("HOME", "/home/u"),
            ("PATH", "/usr/bin"),
            ("LC_ALL", "C.UTF-8"),
            ("OPENAI_API_KEY", "sk"),
            ("AWS_SECRET_ACCESS_KEY", "x"),
            ("SSH_AUTH_SOCK", "/run/agent"),
            ("LD_PRELOAD", "/evil.so"),
        ]));
        let names: Vec<_> = environment.keys().map(|name| name.to_string_lossy().into_owned()).collect();
        assert_eq!(names, ["LC_ALL", "PATH", "RUSTUP_HOME"]);
    }

    #[test]
    fn tools_in_the_home_folder_are_read_but_not_what_lies_beside_them() {
        let (wanted, _) =
            needs(&variables(&[("HOME", "/home/u"), ("PATH", "/home/u/.cargo/bin:/usr/bin:rel:.")]));
        let has = |path: &str| wanted.contains(&PathBuf::from(path));
        assert!(has("/home/u/.cargo/bin") && has("/home/u/.rustup") && has("/home/u/.local/share/uv"));
        for closed in
            ["/home/u", "/home/u/.cargo", "/home/u/.ssh", "/home/u/.local", "rel", ".", "/etc", "/etc/ssh"]
        {
            assert!(!has(closed), "{closed}");
        }
    }

    #[test]
    fn a_variable_or_search_path_that_names_the_home_folder_does_not_open_it() {
        let (wanted, environment) = needs(&variables(&[
            ("HOME", "/home/u"),
            ("PATH", "/home/u:/home:/"),
            ("RUSTUP_HOME", "/home/u"),
            ("PYENV_ROOT", "/"),
        ]));
        for closed in ["/home/u", "/home", "/"] {
            assert!(!wanted.contains(&PathBuf::from(closed)), "{closed}");
        }
        assert!(!environment.contains_key(std::ffi::OsStr::new("RUSTUP_HOME")));
    }

    #[test]
    fn links_are_kept_with_what_they_lead_to() {
        let folder = tempfile::tempdir().expect("a folder");
        let root = fs_err::canonicalize(folder.path()).expect("its path");
        fs_err::create_dir(root.join("real")).expect("made");
        fs_err::os::unix::fs::symlink("real", root.join("link")).expect("linked");
        fs_err::os::unix::fs::symlink("nowhere", root.join("broken")).expect("linked");
        let mut machine = Machine { readable: Vec::new(), links: Vec::new(), environment: BTreeMap::new() };
        for name in ["link", "broken", "missing", "real/file/below"] {
            machine.add(&root.join(name)).expect("looked at");
        }
        assert_eq!(machine.readable, [root.join("real")]);
        let links = [(root.join("link"), "real".into()), (root.join("broken"), "nowhere".into())];
        assert_eq!(machine.links, links);
    }
}
