//! The pages under `docs/reference`: tables made from the command line's and the CRD's own descriptions, and from the
//! rules of customConfig.

mod settings;

pub(crate) mod admission;

use std::fmt::Write as _;

use clap::{Arg, Command, CommandFactory};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};
use redis_operator::api::schema;
use redis_operator::cli::Cli;

pub(crate) use settings::settings;

/// The subcommands and their arguments.
pub(crate) fn command_line() -> String {
    let command = Cli::command();
    let mut page = "# Command line\n".to_owned();
    for subcommand in command.get_subcommands() {
        let (visible, hidden): (Vec<_>, Vec<_>) =
            subcommand.get_arguments().partition(|arg| !arg.is_hide_set());
        line(&mut page, &format!("\n## redis-operator {}\n", subcommand.get_name()));
        line(&mut page, &sentence(subcommand.get_about()));
        if !visible.is_empty() {
            line(&mut page, "\n| argument | default | variable | meaning |\n|---|---|---|---|");
        }
        for arg in visible {
            line(&mut page, &argument(subcommand, arg));
        }
        for arg in hidden {
            let text = format!("\n`--{}`: {}", arg.get_long().unwrap_or_default(), meaning(arg));
            line(&mut page, &text);
        }
        if let Some(text) = subcommand.get_after_long_help() {
            line(&mut page, &format!("\n{text}"));
        }
    }
    page
}

fn argument(command: &Command, arg: &Arg) -> String {
    let name = match arg.get_long() {
        Some(long) => format!("--{long}"),
        // Only a flag has a long name; the others stand for themselves.
        None => command
            .clone()
            .render_usage()
            .to_string()
            .split_whitespace()
            .last()
            .unwrap_or_default()
            .to_owned(),
    };
    let defaults: Vec<_> =
        arg.get_default_values().iter().map(|value| code(&value.to_string_lossy())).collect();
    let variable = arg.get_env().map(|name| code(&name.to_string_lossy()));
    format!(
        "| {} | {} | {} | {} |",
        code(&name),
        defaults.join(", "),
        variable.unwrap_or_default(),
        cell(&meaning(arg))
    )
}

fn meaning(arg: &Arg) -> String {
    sentence(arg.get_help())
}

/// clap takes the last full stop away.
fn sentence(text: Option<&impl ToString>) -> String {
    text.map(|text| format!("{}.", text.to_string().trim_end_matches('.'))).unwrap_or_default()
}

/// The fields of spec and status that are the operator's own. What lies inside a type of Kubernetes is left out.
pub(crate) fn fields() -> String {
    let crd = schema::crd();
    let version = crd.spec.versions.first().expect("a version");
    let root = version.schema.as_ref().and_then(|schema| schema.open_api_v3_schema.as_ref());
    let root = root.expect("a schema");
    let mut page = format!(
        "# Fields of a {}\n\n`apiVersion: {}/{}`. A type in italics is one of Kubernetes; \
         `kubectl explain rf.spec --recursive` shows what is in it.\n",
        crd.spec.names.kind, crd.spec.group, version.name
    );
    for (part, below) in
        [("spec", &["redis", "sentinel"][..]), ("spec.redis", &[]), ("spec.sentinel", &[]), ("status", &[])]
    {
        let schema = part
            .split('.')
            .fold(root, |schema, name| schema.properties.as_ref().and_then(|all| all.get(name)).expect(part));
        let text = schema.description.as_deref().unwrap_or_default();
        let _ = write!(page, "\n## {part}\n\n{text}\n\n| field | type | meaning |\n|---|---|---|\n");
        rows(&mut page, "", schema, below);
    }
    page
}

/// One row for each field with a description, and below it those inside, unless they have a table of their own.
fn rows(page: &mut String, path: &str, schema: &JSONSchemaProps, own_table: &[&str]) {
    for (name, field) in schema.properties.iter().flatten() {
        let Some(meaning) = &field.description else {
            continue;
        };
        let path = format!("{path}{name}");
        let _ = writeln!(page, "| `{path}` | {} | {} |", type_of(field), cell(meaning));
        if own_table.contains(&name.as_str()) {
            continue;
        }
        match &field.items {
            Some(JSONSchemaPropsOrArray::Schema(items)) => rows(page, &format!("{path}[]."), items, &[]),
            _ => rows(page, &format!("{path}."), field, &[]),
        }
    }
}

fn type_of(field: &JSONSchemaProps) -> String {
    let name = match field.type_.as_deref() {
        Some("array") => match &field.items {
            Some(JSONSchemaPropsOrArray::Schema(items)) => format!("list of {}", type_of(items)),
            _ => "list".to_owned(),
        },
        Some("object") => match (&field.additional_properties, &field.properties) {
            (Some(JSONSchemaPropsOrBool::Schema(values)), _) => format!("map to {}", type_of(values)),
            (_, Some(inner)) if inner.values().any(|field| field.description.is_some()) => {
                "object".to_owned()
            }
            _ => "*object*".to_owned(),
        },
        Some(name) => name.to_owned(),
        None => "object".to_owned(),
    };
    let choices: Vec<_> =
        field.enum_.iter().flatten().filter_map(|choice| choice.0.as_str().map(code)).collect();
    if choices.is_empty() { name } else { choices.join(", ") }
}

fn code(text: &str) -> String {
    format!("`{}`", cell(text))
}

/// A text that ends no cell of a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}

fn line(page: &mut String, text: &str) {
    page.push_str(text);
    page.push('\n');
}
