//! What agents are told of the project that they work on: its instructions, and, if they have tools, the skills that
//! there are.

use std::path::{Path, PathBuf};

use massgen_config::{SkillOffer, SkillSettings};
use massgen_engine::Redactor;
use massgen_journal::artifacts::RunFolder;
use massgen_protocol::guidance;
use massgen_protocol::spec::{AgentSpec, RunSpec};
use massgen_protocol::workspace::{Access, ContextPath};

use crate::environment::Environment;
use crate::skills::{FILE, Places, Skills, discover, earlier, shipped};
use crate::trust::FoundConfig;
use crate::{instructions, trust};

/// Puts into `spec` what its agents are to know of the project; returned is what a person is told of that.
pub(crate) fn add(
    spec: &mut RunSpec,
    settings: &SkillSettings,
    found: Option<&FoundConfig>,
    redactor: &Redactor,
    environment: &Environment,
) -> Vec<String> {
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
    // A skill is a file: who has no tools cannot read it.
    let has_tools = |agent: &AgentSpec| agent.workspace.is_some() || !agent.tooling.is_nothing();
    if settings.offer == SkillOffer::Nothing || !spec.agents.iter().any(has_tools) {
        return remarks;
    }
    // A skill is a file, and only agents with a workspace have tools that read files.
    if spec.agents.iter().all(|agent| agent.workspace.is_none()) {
        if settings.offer == SkillOffer::Expected {
            remarks.push(
                "warning: `use_skills` asks for skills, and no agent of this run can read files\n\
                 hint: give agents a folder to work in, as in `backend: {cwd: workspace}`"
                    .to_owned(),
            );
        }
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
    let home = environment.home.as_deref();
    let (shipped, problems) = shipped::lay_out(&settings.shipped, home);
    remarks.extend(problems.into_iter().map(|problem| format!("warning: {problem}")));
    let is_own = |run: &RunFolder| trust::is_own(run, environment);
    let earlier = if settings.from_earlier_runs && is_believed {
        earlier::folders(&environment.log_base(), &is_own)
    } else {
        Vec::new()
    };
    let places = Places { working_directory: start, configured, home, shipped: &shipped, earlier: &earlier };
    discover(places, &trusted)
}

/// Where the work is: what agents may change; else the working directory, if what they are shown belongs to it or they
/// are shown nothing; else what they are shown.
fn project_of(agents: &[AgentSpec], working_directory: &Path) -> PathBuf {
    let workspaces = agents.iter().filter_map(|agent| agent.workspace.as_deref());
    let contexts: Vec<&ContextPath> = workspaces.flat_map(|workspace| &workspace.contexts).collect();
    let writable = contexts.iter().find(|context| context.access == Access::Write);
    let first = writable.or_else(|| contexts.first());
    let belongs = |context: &&ContextPath| belongs_to(Path::new(&context.path), working_directory);
    match (writable, first) {
        (Some(context), _) => PathBuf::from(&context.path),
        (None, Some(context)) if !contexts.iter().any(belongs) => PathBuf::from(&context.path),
        (None, _) => working_directory.to_owned(),
    }
}

/// Whether `path` lies in `folder`, or in the same project.
fn belongs_to(path: &Path, folder: &Path) -> bool {
    let real = |path: &Path| fs_err::canonicalize(path).ok();
    let is_inside = real(path).zip(real(folder)).is_some_and(|(path, folder)| path.starts_with(folder));
    let root = |path: &Path| instructions::folders_of_project(path).pop();
    is_inside || root(path).is_some_and(|root_of_path| root(folder) == Some(root_of_path))
}

#[cfg(test)]
#[path = "guidance_tests.rs"]
mod tests;
