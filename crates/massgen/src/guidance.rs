//! What agents with tools are told of the project that they work on: its instructions, and the skills that there are.

use std::path::{Path, PathBuf};

use massgen_config::{SkillOffer, SkillSettings};
use massgen_engine::Redactor;
use massgen_protocol::guidance;
use massgen_protocol::spec::{AgentSpec, RunSpec};

use crate::environment::Environment;
use crate::skills::{FILE, Places, Skills, discover};
use crate::trust::FoundConfig;
use crate::{instructions, trust};

/// Puts into `spec` what its agents are to know of the project; returned is what a person is told of that. Runs whose
/// agents have no tools are left as they are: they cannot work on a project.
pub(crate) fn add(
    spec: &mut RunSpec,
    settings: &SkillSettings,
    found: Option<&FoundConfig>,
    redactor: &Redactor,
    environment: &Environment,
) -> Vec<String> {
    if spec.agents.iter().all(|agent| agent.workspace.is_none() && agent.tooling.is_nothing()) {
        return Vec::new();
    }
    let start = project_of(&spec.agents, &environment.working_directory);
    let mut remarks = Vec::new();
    match instructions::find(&start) {
        Ok(found) => {
            spec.instructions = found.map(|found| guidance::Instructions {
                path: found.path.to_string_lossy().into_owned(),
                text: redactor.text(&found.text).into_owned(),
                hash: found.hash,
            });
        }
        Err(problem) => remarks.push(format!("warning: {problem}")),
    }
    if settings.offer == SkillOffer::Nothing {
        return remarks;
    }
    let Skills { found, warnings } = skills(&start, settings, found, environment, &mut remarks);
    remarks.extend(warnings.into_iter().map(|warning| format!("warning: {warning}")));
    if found.is_empty() && settings.offer == SkillOffer::Expected {
        remarks.push(
            "warning: `use_skills` asks for skills, and there are none for the agents of this run\n\
             hint: a skill is a folder with a `SKILL.md`, as in `.agents/skills/NAME/SKILL.md`"
                .to_owned(),
        );
    }
    spec.skills = found
        .into_iter()
        .map(|skill| guidance::Skill {
            name: skill.name,
            description: redactor.text(&skill.description).into_owned(),
            path: skill.path.join(FILE).to_string_lossy().into_owned(),
        })
        .collect();
    remarks
}

fn skills(
    start: &Path,
    settings: &SkillSettings,
    found: Option<&FoundConfig>,
    environment: &Environment,
    remarks: &mut Vec<String>,
) -> Skills {
    let (trusted, problem) = trust::of_user(environment);
    remarks.extend(problem.map(|problem| format!("warning: {problem}")));
    // A project that names a folder of its choice is not believed more than one that has it.
    let is_believed = found.is_none_or(|found| trusted.trusts_project(&found.root()));
    let configured = settings.folder.as_deref().map(Path::new).filter(|_| is_believed);
    discover(
        Places { working_directory: start, configured, home: environment.home.as_deref(), own: &[] },
        &trusted,
    )
}

/// Where the work is: the first folder or file that agents are shown, else the working directory.
fn project_of(agents: &[AgentSpec], working_directory: &Path) -> PathBuf {
    let workspaces = agents.iter().filter_map(|agent| agent.workspace.as_deref());
    let first = workspaces.flat_map(|workspace| &workspace.contexts).map(|context| &context.path).next();
    first.map_or_else(|| working_directory.to_owned(), PathBuf::from)
}
