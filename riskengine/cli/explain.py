"""``riskengine explain``."""

import click


@click.command()
@click.argument("term", nargs=-1, required=True)
@click.option("--json", "json_", is_flag=True, help="As JSON.")
def explain(term: tuple[str, ...], json_: bool) -> int:
    """Say what TERM means here: a word of the glossary, a measure of a result, a model."""
    from riskengine.cli.glossary import ALIASES, TERMS
    from riskengine.cli.output import as_json
    from riskengine.errors import UsageError
    from riskengine.registry import MODELS, kinds, suggest, summary
    from riskengine.report.measures import MEASURES

    asked = " ".join(term)
    known = dict(TERMS) | {other: TERMS[name] for other, name in ALIASES.items()}
    measures = {key: f"{measure.title}: {measure.definition}" for key, measure in MEASURES.items()}
    # a report shows titles: those are found too, and a word that is both keeps its own meaning
    known = {measure.title.lower(): measures[key] for key, measure in MEASURES.items()} | known | measures
    models = {kind: family for family in MODELS for kind in kinds(family)}
    for word in (asked.lower(), asked.lower().replace("_", " "), asked.lower().replace(" ", "_")):
        text = known.get(word) or (summary(models[word], word) if word in models else "")
        if text:
            if json_:
                as_json({"term": ALIASES.get(word, word), "meaning": text})
            else:
                click.echo(f"{ALIASES.get(word, word)}: {text}")
            return 0
    names = [*known, *models]
    near = suggest(asked.lower(), names) or f"; known terms: {', '.join(sorted(TERMS))}"
    raise UsageError(f"term must be in the glossary, got {asked!r}{near}")


COMMANDS = {"explain": explain}
