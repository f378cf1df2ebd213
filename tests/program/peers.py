"""peers.py PROGRAM SOURCE - the driver of harness/serve/peers with peers that are no libraries: what it says, what it keeps, what it survives."""
import glob
import json
import os
import re
import signal
import subprocess
import sys
import tempfile

program, source = sys.argv[1:3]
driver = os.path.join(source, "harness", "serve", "peers", "peers.py")
failures = []
checks = 0


def check(what, good, shown=""):
    global checks
    checks += 1
    if not good:
        failures.append(what)
        sys.stderr.write(f"FAILED: {what}\n{shown}\n")


def peers(*arguments, attnzoo=program, keep=()):
    environment = {k: v for k, v in os.environ.items() if k in keep or not k.startswith("ATTNZOO_")}
    done = subprocess.run([sys.executable, "-B", driver, "--attnzoo", attnzoo, *arguments], capture_output=True, text=True, env=environment,
                          stdin=subprocess.DEVNULL)
    return done.returncode, done.stdout, done.stderr


def refuses(sentence, *arguments, **more):
    code, out, err = peers("--no-results", *arguments, **more)
    check(f"{arguments}: exit code {code}, expected 2", code == 2, err)
    check(f"{arguments}: no '{sentence}'", sentence in err and err.count("\n") == 1 and not out, out + err)


def row(out, arm):
    """The columns of an arm's line, split where there are two spaces or more."""
    return next((re.split(r"  +", line) for line in out.splitlines() if line.startswith(arm + " ")), [""])


def same_fields(ours, theirs, where):
    """Every field that a record of bench has is there, down to the last brace, and in the same kind of value where both have one."""
    for key, value in ours.items():
        check(f"{where}: field {key} is missing", key in theirs, json.dumps(theirs)[:300])
        other = theirs.get(key)
        if isinstance(value, dict) and isinstance(other, dict) and key not in ("peaks", "counts"):
            same_fields(value, other, f"{where}.{key}")
        elif value is not None and other is not None:
            number = isinstance(value, (int, float)), isinstance(other, (int, float))
            check(f"{where}.{key}: {other!r} beside {value!r}", type(value) is type(other) or all(number))


with tempfile.TemporaryDirectory() as work:
    # All that may happen to a peer, in one run
    results = os.path.join(work, "results")
    shape = "b1_h2g1_q9_k33_d16v8_causal"
    code, out, err = peers("--results", results, "--rounds", "30", "-s", shape + " b1_h1_q2_k3_d8", "-k",
                           "naive_f32,flash_f32,additive_f32", "--peers", "fake")
    check(f"exit code {code}", code == 0 and not err, out + err)
    words = {"fake.slow": "ours is faster", "fake.quick": "FASTER THAN OURS", "fake.wrong": "FAIL: o batch 0 head 0 row 0 col 0",
             "fake.picky": "skipped: no shape is good enough", "fake.absent": "skipped: fake is not installed",
             "fake.brittle": "CRASH: it ended; its exit code is 7", "fake.late": "CRASH: it ended; its exit code is 9",
             "fake.rude": "FAIL: RuntimeError: not in the mood", "additive_f32": "skipped: ", "control naive_f32": "in a second process"}
    for arm, word in words.items():
        check(f"{arm}: no '{word}'", word in " ".join(row(out, arm)), out)
    for arm, code in (("fake.brittle", 7), ("fake.late", 9)):
        again = [line for line in out.splitlines() if line.startswith(arm)]
        good = len(again) == 2 and all(f"CRASH: it ended; its exit code is {code}" in line for line in again)
        check(f"{arm} is started again for the next shape", good, out)
    check("the ratio of the first is not 1", row(out, "naive_f32")[6:7] == ["1"], out)
    check("title", f"\n{shape}  1 thread, " in out and " 30 rounds in " in out, out)

    files = glob.glob(os.path.join(results, "*", "*.jsonl"))
    check("one file of records", len(files) == 1 and f"records: {files[0]}" in out, out)
    with open(files[0]) as file:
        kept = [json.loads(line) for line in file]
    check("types", [r["t"] for r in kept].count("verify") == 22 and [kept[0]["t"], kept[1]["t"], kept[-2]["t"], kept[-1]["t"]] ==
          ["host", "case", "control", "end"], [r["t"] for r in kept])
    by = {kind: {r["kernel"]: r for r in kept if r["t"] == kind and r["case"] == "c1"} for kind in ("verify", "bench")}
    check("who was timed", set(by["bench"]) == {"naive_f32", "flash_f32", "fake.slow", "fake.quick"}, set(by["bench"]))
    statuses = {"fake.slow": "pass", "fake.wrong": "fail", "fake.picky": "skip", "fake.absent": "skip", "fake.brittle": "crash",
                "fake.late": "crash", "fake.rude": "fail", "additive_f32": "skip", "flash_f32": "pass"}
    for arm, status in statuses.items():
        check(f"{arm}: status {by['verify'][arm]['status']}", by["verify"][arm]["status"] == status)
    peer = {"name": "Fake", "version": "1.0", "what": "for tests: our output, after 20 ms"}
    check("peer of fake.slow", by["bench"]["fake.slow"]["peer"] == peer)
    check("peer of what is not installed", by["verify"]["fake.absent"]["peer"] is None)
    check("ours is no peer", "peer" not in by["bench"]["naive_f32"])
    quick, slow = by["bench"]["fake.quick"], by["bench"]["fake.slow"]
    check("vs", quick["vs"]["kernel"] == "naive_f32" and quick["vs"]["hi"] < 1 < slow["vs"]["lo"], [quick["vs"], slow["vs"]])
    check("best", quick["best"]["kernel"] == "fake.quick" and quick["best"]["ratio"] == 1, quick["best"])
    check("fake.slow sleeps 20 ms", 20e-3 < slow["med"] < 1, slow["med"])
    check("samples", len(quick["ns"]) == 30 and all(isinstance(x, float) for x in quick["ns"]), quick["ns"])
    check("slow arms are measured more rarely", slow["every"] == 2 and slow["ns"][1::2] == [None] * 15 and slow["rounds"] == 15, slow)

    # The same fields as those of bench
    done = subprocess.run([program, "bench", "--no-results", "--budget", "50ms", "-k", "naive_f32,flash_f32", "-s", shape, "-o", "jsonl"],
                          capture_output=True, text=True, stdin=subprocess.DEVNULL)
    theirs = [json.loads(line) for line in done.stdout.splitlines()]
    check("bench for comparison", done.returncode == 0 and len(theirs) > 5, done.stderr)
    for kind in ("host", "case", "verify", "bench", "control", "end"):
        same_fields(next(r for r in theirs if r["t"] == kind), next(r for r in kept if r["t"] == kind), kind)
    case = [next(r for r in records if r["t"] == "case") for records in (theirs, kept)]
    for key in ("shape", "flop", "exp", "bytes", "level", "threads", "dist", "seed"):
        check(f"case.{key} differs from bench", case[0][key] == case[1][key], [c[key] for c in case])

    # And what results/schema.json says of them
    schema = [os.path.join(source, *path) for path in (("tests", "program", "schema.py"), ("results", "schema.json"), ("results", "README.md"))]
    done = subprocess.run([sys.executable, "-B", *schema, results], capture_output=True, text=True)
    if done.returncode == 77:
        print(done.stdout.strip())
    check("schema", done.returncode in (0, 77), done.stdout + done.stderr)

    # The real ones: each is timed, does not take the shape, or is not installed. Nothing else is right on these shapes.
    shapes = ["b2_h2_q5_k5_d16", "b1_h4g2_q5_k5_d16_causal", "b1_h4g2_q1_k9_d16_causal", "b1_h2_q3_k9_d16_causal"]
    code, out, err = peers("--no-results", "--rounds", "30", "-s", " ".join(shapes), keep=("ATTNZOO_PEERS_PYTHON", "ATTNZOO_GGML"))
    check(f"real peers: exit code {code}", code == 0, out + err)
    check("real peers: one failed", "FAIL" not in out and "CRASH" not in out and "beyond" not in out, out + err)
    check("real peers: one is missing in a table", all(out.count("\n" + arm + " ") == 4 for arm in
                                                        ("torch.sdpa", "onnxruntime.gqa", "openvino.sdpa", "ggml.flash")), out)

    # A shape that none of ours takes is passed over; nothing at all is exit code 4
    plain, additive = "b1_h1_q4_k4_d8", "b1_h1_q4_k4_d8_additive"
    code, out, err = peers("--no-results", "--rounds", "30", "-s", f"{plain} {additive}", "-k", "additive_f32", "--peers", "fake.quick")
    both = f"\n{plain}: skipped: " in out and f"\n{additive}  1 thread" in out
    check(f"one of two shapes: exit code {code}", code == 0 and both, out + err)
    code, out, err = peers("--no-results", "-s", plain, "-k", "additive_f32", "--peers", "fake.quick")
    check(f"no shape: exit code {code}", code == 4 and "nothing was measured" in err, out + err)

    # A signal: what was finished is kept, and the record says what came
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        folder = os.path.join(work, number.name)
        child = subprocess.Popen([sys.executable, "-B", driver, "--attnzoo", program, "--results", folder, "--rounds", "256", "--peers",
                                  "fake.quick", "-s", shape + " b1_h2_q{16..512}_k512_d64"],
                                 stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for line in child.stdout:
            if line.startswith("fake.quick "):
                break
        child.send_signal(number)
        out, err = child.communicate()
        check(f"{number.name}: exit code {child.returncode}", child.returncode == 128 + number and "Traceback" not in err, out + err)
        files = glob.glob(os.path.join(folder, "*", "*.jsonl"))
        lines = [json.loads(line) for line in open(files[0])] if files else [{}]
        check(f"{number.name}: its end", lines[-1].get("exit") == 128 + number and lines[-1].get("signal") == number.name, lines[-1])

    # What our own options refuse
    refuses("unknown peer 'tensorflow'; known: torch.sdpa", "--peers", "tensorflow")
    refuses("unknown suite 'big'; known: prefill, decode, small, all", "--suite", "big")
    refuses("unknown suite 'prefil'; did you mean 'prefill'? known: prefill, decode", "--suite", "prefil")
    refuses("--suite and -s cannot be combined", "--suite", "small", "-s", shape)
    refuses("--rounds is '29'; allowed: a whole number from 30 to 256", "--rounds", "29")
    refuses("--threads is '0'", "--threads", "0")
    refuses("--min-trial is '1ms'", "--min-trial", "1ms")
    refuses("unknown kernel 'flsh_f32'; did you mean 'flash_f32'? known: auto, ", "-k", "flsh_f32", "-s", shape)
    refuses("-k is 'a,,b'", "-k", "a,,b")
    refuses("a core is 'x'", "--cores", "x")
    refuses("core 4000 is not usable here", "--cores", "4000")
    refuses("expected _h", "-s", "b1")
    refuses("cannot start", attnzoo=os.path.join(work, "none"))
    refuses("unrecognized arguments: --foo", "--foo")
    with open(os.path.join(work, "file"), "w") as file:
        file.write("")
    code, out, err = peers("--results", os.path.join(work, "file"), "-s", shape, "--peers", "fake.quick")
    check(f"results in a file: exit code {code}", code == 2 and "cannot write" in err, out + err)

print(f"{checks} checks, {len(failures)} failed")
sys.exit(bool(failures))
