//! A second independent peer: the proxy of LiteLLM, which speaks the protocols of the large providers with code of its
//! own, in a throw-away environment of Python.
//!
//! Its models reply with a text and never submit an answer, so the runs end without one; what counts is that the text
//! stands in their record.
//!
//! It is large (some 400 MB) and comes from the network, so only `cargo xtask ci --full` asks it.

use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use super::{LONGEST, QUESTION};
use crate::out::say;
use crate::places;
use crate::product::{Agent, Stage, configuration, last_line, value, wait};
use crate::python::{self, Wanted};

const PACKAGE: &str = "litellm[proxy]==1.106.2";
/// The oldest Python that the package runs on, as its minor version.
const OLDEST_PYTHON: u32 = 10;
/// The proxy starts with a long key only.
const KEY: &str = "sk-peer-key-of-a-throw-away-proxy-on-loopback";
const TEXT: &str = "There are two high tides a day.";
/// The proxy reads half of Python before it listens.
const START: Duration = Duration::from_mins(2);

/// Backend types with what their base URL has after the address, and the model of tests/peers/litellm.yaml.
const SHAPES: [(&str, &str, &str); 4] = [
    ("openai", "/v1", "scripted"),
    ("claude", "", "scripted"),
    ("gemini", "/v1beta", "mocked"),
    ("chatcompletion", "/v1", "scripted"),
];

/// Asks one question in every shape; says why not where the proxy cannot be had.
pub(crate) fn run(program: &Path) -> Result<()> {
    let environment = match environment() {
        Ok(environment) => environment,
        Err(reason) => {
            say(&format!("left out, LiteLLM cannot be had: {reason:#}"));
            return Ok(());
        }
    };
    let proxy = Proxy::start(&environment)?;
    for (kind, base, model) in SHAPES {
        let base_url = format!("{}{base}", proxy.url);
        let (id, model) = (kind.to_owned(), model.to_owned());
        let agent = Agent { id, kind, model, base_url, call_timeout: None };
        let stage = Stage::new(program, &configuration(&[agent]), KEY)?;
        if let Err(error) = text_comes_back(&stage, kind) {
            stage.keep();
            return Err(error.context(format!("`{kind}` with LiteLLM, whose log is {}", proxy.log.display())));
        }
        say(&format!("{kind}: the text came back through LiteLLM"));
    }
    Ok(())
}

/// Runs an agent, which has the name of its type, and looks for the text in what it said.
fn text_comes_back(stage: &Stage, agent: &str) -> Result<()> {
    let mut child = stage.spawn(stage.ask(QUESTION))?;
    wait(&mut child, LONGEST)?.with_context(|| format!("it did not end within {LONGEST:?}"))?;
    let printed = stage.printed()?;
    let folder = value(&printed, "LOG_DIR").context("it printed no line `LOG_DIR:`")?;
    let file = Path::new(folder).join(format!("turn_1/attempt_1/agent_outputs/{agent}.txt"));
    let said = fs_err::read_to_string(stage.folder().join(file))?;
    ensure!(said.contains(TEXT), "it said `{}`", said.trim());
    Ok(())
}

/// The folder of a Python environment that holds the proxy, made unless it is there.
fn environment() -> Result<PathBuf> {
    python::environment(Wanted {
        folder: "litellm",
        install: &[PACKAGE],
        stamp: PACKAGE,
        oldest: OLDEST_PYTHON,
    })
}

/// The proxy at work. Dropping it ends it.
struct Proxy {
    child: Child,
    url: String,
    log: PathBuf,
}

impl Proxy {
    fn start(environment: &Path) -> Result<Self> {
        // The system gives a free port; the proxy cannot be asked for one.
        let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        let log = environment.join("proxy.log");
        let (file, _) = fs_err::File::create(&log)?.into_parts();
        let mut command = Command::new(environment.join("bin/litellm"));
        command.args(["--config", "litellm.yaml", "--host", "127.0.0.1", "--telemetry", "False"]);
        command.args(["--port", &address.port().to_string()]).current_dir(places::peers());
        command.env("LITELLM_MASTER_KEY", KEY).env("LITELLM_LOCAL_MODEL_COST_MAP", "True");
        command.env("PYTHONDONTWRITEBYTECODE", "1");
        command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file);
        let child = command.spawn().context("the proxy of LiteLLM cannot be started")?;
        let mut proxy = Self { child, url: format!("http://{address}"), log };
        let begin = Instant::now();
        while TcpStream::connect(address).is_err() {
            if let Some(status) = proxy.child.try_wait()? {
                let said = fs_err::read_to_string(&proxy.log)?;
                bail!("the proxy of LiteLLM ended with {status}: {}", last_line(&said));
            }
            ensure!(begin.elapsed() < START, "the proxy of LiteLLM does not listen after {START:?}");
            sleep(Duration::from_millis(100));
        }
        Ok(proxy)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // It may have ended by itself, which is as good.
        let _ = self.child.kill().and_then(|()| self.child.wait());
    }
}
