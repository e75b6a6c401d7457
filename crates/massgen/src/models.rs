//! `massgen models`: the models of the providers that are set up, as their services list them.

mod configured;
mod report;
mod table;

use std::collections::BTreeMap;
use std::io::stdout;

use futures::StreamExt;
use futures::stream;
use massgen_config::backends::{BackendType, Backends, GENERAL, Support};
use massgen_model::listing::{Abilities, Inquiry, Listed, PATIENCE, Page, ask};
use massgen_model::{HttpClient, KeySource, ModelError, catalog};
use massgen_protocol::ModelFacts;
use massgen_protocol::message::FailureKind;
use massgen_protocol::spec::{KeyHeader, Protocol};
use massgen_view::clean::clean_line;

use self::configured::Configured;
use self::report::{Entry, Origin, Provider};
use crate::arguments::commands::Models;
use crate::backends;
use crate::environment::{Environment, SEARCHED};
use crate::failure::{CONFIGURATION, Failure, SUCCESS};
use crate::print;
use crate::reach::Reach;
use crate::remarks::Remarks;
use crate::terminal::columns;

/// Services that are asked at once.
const AT_ONCE: usize = 32;

/// What became of a type.
enum Outcome {
    /// It has a list.
    Listed(Provider),
    /// It was asked in vain.
    Failed(Provider, String, Option<String>),
    /// Nobody asked for it, and it is not set up.
    Absent,
}

/// Which types are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted {
    /// What is set up.
    SetUp,
    /// Every type, be it from the catalogue.
    All,
    /// One by its name.
    Named,
}

/// Asks all at once and tells. The exit code says whether there is any list.
pub(crate) fn perform(options: &Models, environment: &Environment) -> Result<u8, Failure> {
    let known = backends::for_telling(environment);
    let (types, wanted) = chosen(options, &known)?;
    let mut reach = Reach::of(environment)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::configuration(format!("nothing can be asked: {error}")))?;
    let is_wanted = |name: &str| {
        types.iter().any(|kind| kind.name == name) || (wanted != Wanted::Named && name == GENERAL)
    };
    let configured = runtime.block_on(Configured::find(environment, &known, &mut reach, is_wanted));
    let look = Look { known: &known, environment, configured: &configured, http: reach.http(), wanted };
    let general = known.get(GENERAL).filter(|_| is_wanted(GENERAL) && wanted != Wanted::Named);
    let asked = types.iter().copied().flat_map(|kind| look.places(kind));
    let asked = asked.chain(general.into_iter().flat_map(|kind| look.written(kind)));
    let asked = stream::iter(asked).map(|place| look.at(place)).buffered(AT_ONCE);
    let outcomes: Vec<Outcome> = runtime.block_on(asked.collect());
    let mut providers = Vec::new();
    let mut is_any = false;
    for outcome in outcomes {
        match outcome {
            Outcome::Listed(provider) => {
                is_any = true;
                providers.push(provider);
            }
            Outcome::Failed(provider, problem, hint) => {
                let hint = hint.map(|hint| format!("\nhint: {hint}")).unwrap_or_default();
                Remarks::direct().tell(&format!("warning: {}: {problem}{hint}", provider.kind));
                providers.push(Provider { error: Some(problem), ..provider });
            }
            Outcome::Absent => {}
        }
    }
    if providers.is_empty() && !options.json {
        return Err(Failure::configuration(format!("no provider is set up: no key in {SEARCHED}"))
            .hint("write a key with `massgen --setup`, or see the catalogue with `massgen models --all`"));
    }
    if options.json {
        print(format!("{:#}\n", report::json(&providers)).as_bytes())?;
    } else {
        print(table::table(&providers, columns(&stdout())).as_bytes())?;
    }
    Ok(if is_any { SUCCESS } else { CONFIGURATION })
}

/// The types to look at.
fn chosen<'a>(options: &Models, known: &'a Backends) -> Result<(Vec<&'a BackendType>, Wanted), Failure> {
    if let Some(name) = &options.backend {
        let kind = known.get(name).ok_or_else(|| {
            Failure::usage(format!("there is no backend type `{}`", name.escape_debug()))
                .hint("`massgen --list-backends` lists them")
        })?;
        return Ok((vec![kind], Wanted::Named));
    }
    // The general type only repeats what a type of its own says.
    let own = known.types().iter().filter(|kind| kind.name != GENERAL && kind.support != Support::Never);
    Ok((own.collect(), if options.all { Wanted::All } else { Wanted::SetUp }))
}

/// What a service with a list speaks; `None` for what has none: agent programs, frameworks, the model in this process,
/// Azure, where models have the names that their owner gave them, and Bedrock's address in a region.
fn protocol(kind: &BackendType, base_url: &str) -> Option<(Protocol, KeyHeader)> {
    match kind.support {
        Support::Provider | Support::OwnServer
            if kind.key_header != KeyHeader::ApiKey && !kind.is_in_a_region(base_url) =>
        {
            Some((kind.protocol, kind.key_header))
        }
        Support::Provider
        | Support::OwnServer
        | Support::Simulated
        | Support::NotYet { .. }
        | Support::Never => None,
    }
}

/// Looks for the models of types.
struct Look<'a> {
    known: &'a Backends,
    environment: &'a Environment,
    configured: &'a Configured,
    http: &'a HttpClient,
    wanted: Wanted,
}

/// Where the models of a type may be listed.
struct Place<'a> {
    kind: &'a BackendType,
    /// Whom to ask; `None` where nobody is asked.
    inquiry: Option<Inquiry>,
    whence: Whence,
}

/// Who names a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Whence {
    /// The configuration.
    Written,
    /// The table of backend types, or the environment.
    Known,
}

impl<'a> Look<'a> {
    /// Where the models of `kind` are listed: where the configuration says, else where the type is.
    fn places(&self, kind: &'a BackendType) -> Vec<Place<'a>> {
        let written: Vec<Place<'a>> = self.written(kind).collect();
        if written.is_empty() { vec![self.usual(kind)] } else { written }
    }

    /// The places of the configuration.
    fn written(&self, kind: &'a BackendType) -> impl Iterator<Item = Place<'a>> {
        let asked = |inquiry: &Inquiry| protocol(kind, &inquiry.base_url).map(|_| inquiry.clone());
        self.configured.of(&kind.name).map(move |inquiry| Place {
            kind,
            inquiry: asked(inquiry),
            whence: Whence::Written,
        })
    }

    fn usual(&self, kind: &'a BackendType) -> Place<'a> {
        let variable = kind.base_url_variable.as_deref().and_then(|name| self.environment.get(name));
        let base_url = variable.or_else(|| kind.base_url.clone());
        let inquiry = base_url.and_then(|base_url| {
            let (protocol, key_header) = protocol(kind, &base_url)?;
            let key_variables = self.known.key_variables(kind, &base_url).to_vec();
            Some(Inquiry { protocol, base_url, key_variables, key_header, headers: BTreeMap::new() })
        });
        Place { kind, inquiry, whence: Whence::Known }
    }

    async fn at(&self, place: Place<'a>) -> Outcome {
        let Place { kind, inquiry, whence } = place;
        let Some(inquiry) = inquiry else { return self.unasked(kind) };
        let has_key = inquiry.key_variables.iter().any(|name| self.configured.keys.key(name).is_some());
        // A server of one's own, or behind an address of one's own, may want no key.
        let is_open = kind.support == Support::OwnServer || inquiry.key_variables.is_empty();
        if !has_key && !is_open {
            return self.unasked(kind);
        }
        let told = |page: Page| {
            let provider = self.provider(kind, &inquiry.base_url, page);
            let is_usual = kind.base_url.as_ref() == Some(&inquiry.base_url);
            match authority(&inquiry.base_url).filter(|_| whence == Whence::Written && !is_usual) {
                Some(host) => {
                    let display_name = format!("{} at {}", provider.display_name, clean_line(host));
                    Provider { display_name, ..provider }
                }
                None => provider,
            }
        };
        match ask(&inquiry, &self.configured.keys, self.http, PATIENCE).await {
            Ok(page) => Outcome::Listed(told(page)),
            // Nobody said that there is a server.
            Err(ModelError::NoListing { kind: FailureKind::Network | FailureKind::Timeout, .. })
                if is_open && self.wanted != Wanted::Named && whence == Whence::Known =>
            {
                Outcome::Absent
            }
            Err(error) => {
                Outcome::Failed(told(Page::default()), clean_line(&error.to_string()), error.hint())
            }
        }
    }

    /// A type whose service is not asked.
    fn unasked(&self, kind: &BackendType) -> Outcome {
        let base_url = kind.base_url.as_deref().unwrap_or_default();
        let has_list = protocol(kind, base_url).is_some();
        let has_key = kind.key_variables.iter().any(|name| self.configured.keys.key(name).is_some());
        let is_set_up = has_key && kind.support.runs() && !has_list;
        if self.wanted == Wanted::SetUp && !is_set_up {
            return Outcome::Absent;
        }
        let mut names: Vec<&str> = kind.models.iter().map(|model| model.name.as_str()).collect();
        if has_list {
            names.extend(catalog::models(base_url));
        }
        let listed = |name: &str| Listed {
            name: name.to_owned(),
            facts: ModelFacts::default(),
            abilities: Abilities::default(),
        };
        let page = Page { models: names.into_iter().map(listed).collect(), ..Page::default() };
        let provider = self.provider(kind, base_url, page);
        Outcome::Listed(Provider { origin: Origin::Catalogue, ..provider })
    }

    /// What is listed, with what is known besides: the user's file wins over the service, and that over the catalogue.
    fn provider(&self, kind: &BackendType, base_url: &str, page: Page) -> Provider {
        let entry = |listed: Listed| {
            let Listed { name, facts, abilities } = listed;
            let own = self.known.facts(&kind.name, &name);
            Entry {
                facts: own.or(facts).or(catalog::lookup(&kind.name, &name, base_url)),
                abilities: abilities.or(catalog::abilities(&name, base_url)),
                tools: report::PROVIDER_TOOLS.into_iter().filter(|tool| kind.can(&name, *tool)).collect(),
                name,
            }
        };
        let mut models: Vec<Entry> = page.models.into_iter().map(entry).collect();
        models.sort_by(|left, right| left.name.cmp(&right.name));
        models.dedup_by(|left, right| left.name == right.name);
        Provider {
            kind: kind.name.clone(),
            display_name: clean_line(&kind.display_name),
            origin: Origin::Service,
            models,
            unusable: page.unusable,
            error: None,
        }
    }
}

/// Host and, if unusual, port of an address.
fn authority(base_url: &str) -> Option<&str> {
    let (_, rest) = base_url.split_once("://")?;
    rest.split(['/', '?']).next()
}
