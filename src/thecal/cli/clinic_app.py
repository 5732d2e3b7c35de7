"""``thecal clinic``: a clinic of one's own, made, kept and looked through; the work is imported when a command runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from thecal.cli.guard import end
from thecal.cli.help_text import examples

if TYPE_CHECKING:
    from thecal.cli.answer import Answer

app = typer.Typer(
    help="The clinic: its record, its people, its workplaces in a browser.",
    short_help="The clinic: make it, keep it, look through its record.",
    epilog=examples(
        "thecal clinic init",
        "thecal clinic backup elsewhere/monday.sqlite",
        "thecal clinic audit verify",
    ),
    no_args_is_help=True,
    rich_markup_mode=None,
)
audit_app = typer.Typer(
    help="The audit chain: who saw, changed and checked what, each transaction bound to the one before.",
    short_help="Is the record as it was written?",
    epilog=examples("thecal clinic audit verify", "thecal clinic audit head > head.json"),
    no_args_is_help=True,
    rich_markup_mode=None,
)
app.add_typer(audit_app, name="audit")

ClinicDir = Annotated[
    Path | None,
    typer.Option("--home", metavar="DIR", help="The clinic's folder; else THECAL_HOME, else your data folder."),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout, and nothing else.")]
Anyway = Annotated[bool, typer.Option("--anyway", help="Go on where the audit chain does not hold, and say so.")]


@app.command(
    "init",
    short_help="Make a clinic of your own, empty.",
    epilog=examples(
        "thecal clinic init",
        'thecal clinic init --name "Hill Clinic" --zone America/Chicago --phone "+1 312 555 0100" '
        '--on-call "+1 312 555 0199" --login ada --administrator "Ada Ames" --password-stdin < password',
        "THECAL_RECORD=postgresql+psycopg://thecal@db/clinic thecal clinic init",
    ),
)
def init(
    *,
    name: Annotated[str | None, typer.Option(metavar="TEXT", help="What the clinic is called.")] = None,
    zone: Annotated[str | None, typer.Option(metavar="ZONE", help="Its time zone, as in America/Chicago.")] = None,
    phone: Annotated[str | None, typer.Option(metavar="NUMBER", help="Its telephone number.")] = None,
    on_call: Annotated[str | None, typer.Option(metavar="NUMBER", help="Whom to call at night.")] = None,
    address: Annotated[str | None, typer.Option(metavar="TEXT", help="Its address, on one line.")] = None,
    login: Annotated[str | None, typer.Option(metavar="LOGIN", help="The first administrator's login.")] = None,
    administrator: Annotated[str | None, typer.Option(metavar="NAME", help="The first administrator's name.")] = None,
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="Read the administrator's password from standard input.")
    ] = False,
    home: ClinicDir = None,
    as_json: Json = False,
) -> int:
    """Make a clinic: its folder, an empty record, and the first administrator. What is not said is asked for."""

    def work() -> Answer:
        from thecal.cli.clinic_making import Entered, init

        entered = Entered(name, zone, phone, on_call, address, login, administrator)
        return init(home, entered, password_stdin=password_stdin)

    return end("clinic init", work, as_json)


@app.command(
    "run",
    short_help="Run a clinic until Ctrl-C, in a browser.",
    epilog=examples(
        "thecal clinic run", "thecal clinic run --demonstration", "thecal clinic run --home clinic --port 8090"
    ),
)
def run_clinic(
    *,
    port: Annotated[int, typer.Option(metavar="NUMBER", min=0, max=65535, help="The port; 0 takes a free one.")] = 8080,
    listen: Annotated[
        str, typer.Option(metavar="ADDRESS", help="An address that others reach; TLS must be in front.")
    ] = "127.0.0.1",
    origin: Annotated[
        str | None, typer.Option(metavar="URL", help="What browsers name it, as in https://clinic.example.")
    ] = None,
    demonstration: Annotated[bool, typer.Option("--demonstration", help="Run the clinic of made-up patients.")] = False,
    fresh: Annotated[bool, typer.Option("--fresh", help="Make the demonstration anew, after asking.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before --fresh.")] = False,
    home: ClinicDir = None,
    as_json: Json = False,
) -> int:
    """Run a clinic until Ctrl-C: its pages, its link service and its virtual pumps, each as a process of its own."""

    def work() -> Answer:
        from thecal.cli.clinic_run import Wanted, run

        return run(Wanted(home, port, listen, origin, demonstration, fresh, yes))

    return end("clinic run", work, as_json)


@app.command(
    "backup",
    short_help="Write the whole record to one file.",
    epilog=examples("thecal clinic backup elsewhere/monday.sqlite", "thecal clinic backup monday.sqlite --force"),
)
def backup(
    path: Annotated[Path, typer.Argument(metavar="FILE", help="The new file.")],
    *,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
    anyway: Anyway = False,
    home: ClinicDir = None,
    as_json: Json = False,
) -> int:
    """Write the whole record to one file, while the clinic works, and look it through."""

    def work() -> Answer:
        from thecal.cli.clinic_keeping import back_up

        return back_up(home, path, force=force, anyway=anyway, quiet=as_json)

    return end("clinic backup", work, as_json)


@app.command(
    "restore",
    short_help="Make a record of a backup, where none is.",
    epilog=examples(
        "thecal clinic restore monday.sqlite --home new-clinic",
        "thecal clinic restore monday.sqlite --into postgresql+psycopg://thecal@db/clinic",
    ),
)
def restore(
    path: Annotated[Path, typer.Argument(metavar="FILE", help="What thecal clinic backup wrote.")],
    *,
    into: Annotated[
        str | None,
        typer.Option(
            "--into", metavar="URL", help="The new record: a file, or an empty PostgreSQL; else the clinic's."
        ),
    ] = None,
    anyway: Anyway = False,
    without_key: Annotated[
        bool, typer.Option("--without-key", help="Restore though nothing here opens its second factors.")
    ] = False,
    home: ClinicDir = None,
    as_json: Json = False,
) -> int:
    """Make a record of a backup; what is there already is never touched. The backup stays as it is."""

    def work() -> Answer:
        from thecal.cli.clinic_keeping import restore_from

        return restore_from(home, path, into, anyway=anyway, without_key=without_key, quiet=as_json)

    return end("clinic restore", work, as_json)


@app.command(
    "let-in",
    short_help="Let somebody in whom no administrator can help.",
    epilog=examples("thecal clinic let-in ada"),
)
def let_in(
    login: Annotated[str, typer.Argument(metavar="LOGIN", help="Whose.")],
    *,
    home: ClinicDir = None,
    as_json: Json = False,
) -> int:
    """Give somebody a password to hand over and void their second factor, when no administrator can."""

    def work() -> Answer:
        from thecal.cli.clinic_people import let_in

        return let_in(home, login)

    return end("clinic let-in", work, as_json)


@app.command(
    "new-key",
    short_help="Seal second factors under a new key, or void them.",
    epilog=examples("thecal clinic new-key"),
)
def new_key(*, home: ClinicDir = None, as_json: Json = False) -> int:
    """Seal every second factor under a new key; where the key of before is gone, they are void and set up anew."""

    def work() -> Answer:
        from thecal.cli.clinic_people import new_key

        return new_key(home)

    return end("clinic new-key", work, as_json)


@audit_app.command(
    "verify",
    short_help="Follow the chain, and hold every row against it.",
    epilog=examples("thecal clinic audit verify", "thecal clinic audit verify --against head.json"),
)
def verify(
    against: Annotated[
        Path | None, typer.Option("--against", metavar="FILE", help="A head that was kept elsewhere.")
    ] = None,
    home: ClinicDir = None,
    as_json: Json = False,
) -> int:
    """Follow the audit chain from its first link, and hold every row that is kept against it."""

    def work() -> Answer:
        from thecal.cli.clinic_audit import verify_chain

        return verify_chain(home, against, quiet=as_json)

    return end("clinic audit verify", work, as_json)


@audit_app.command(
    "head",
    short_help="The newest link, signed, to be kept elsewhere.",
    epilog=examples("thecal clinic audit head > head.json"),
)
def head(
    new_key: Annotated[bool, typer.Option("--new-key", help="Make a key where the clinic has none.")] = False,
    home: ClinicDir = None,
    as_json: Json = False,
) -> int:
    """Print the newest link with the clinic's signature. Kept elsewhere, it shows a chain that was written anew."""

    def work() -> Answer:
        from thecal.cli.clinic_audit import signed_head

        return signed_head(home, new_key=new_key)

    return end("clinic audit head", work, as_json)
