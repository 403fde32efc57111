"""Detectors of failures, asked with what real tools print; and false friends that mean nothing."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest

from planctl.models.failures.signs import Failure, Signature, is_telling, signature
from planctl.models.failures.table import DETECTORS, KINDS

SAMPLES: dict[str, tuple[str, ...]] = {
    "disk-full": (
        "OSError: [Errno 28] No space left on device: 'outputs/run/model.ckpt'",
        "cp: error writing 'scan.npz': No space left on device",
        "OSError: [Errno 122] Disk quota exceeded",
        "RuntimeError: [enforce fail at inline_container.cc:595] . PytorchStreamWriter failed "
        "writing file data/51: file write failed",
        "sqlite3.OperationalError: database or disk is full",
        "h5py: unable to write: (file write failed: errno = 28, error message = 'No space left')",
    ),
    "cuda-out-of-memory": (
        "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.50 GiB. GPU 0 has a total "
        "capacity of 79.11 GiB of which 1.12 GiB is free. If reserved but unallocated memory is "
        "large try setting PYTORCH_CUDA_ALLOC_CONF=expandable_segments:True to avoid fragmentation",
        "RuntimeError: CUDA error: out of memory",
        "E   torch.cuda.OutOfMemoryError: CUDA out of memory. Tried to allocate 20.00 MiB",
        "RuntimeError: CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
        "cupy.cuda.memory.OutOfMemoryError: Out of memory allocating 8,589,934,592 bytes",
        "jaxlib.xla_extension.XlaRuntimeError: RESOURCE_EXHAUSTED: Out of memory while trying to "
        "allocate 17179869184 bytes.",
        "[rank3]: torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 1.00 GiB",
    ),
    "killed-by-kernel": (
        "bash: line 1:  4711 Killed                  python -m ptycho_torch.train",
        "slurmstepd: error: Detected 1 oom_kill event in StepId=123456.0. Some of the step tasks "
        "have been OOM Killed.",
        "srun: error: node01: task 0: Out Of Memory",
        "[12345.678] Out of memory: Killed process 4711 (python) total-vm:67108864kB, "
        "anon-rss:64000000kB",
        "slurmstepd: error: Exceeded job memory limit at some point.",
        "RuntimeError: DataLoader worker (pid 4711) is killed by signal: Killed.",
        "JobID 123456 State OUT_OF_MEMORY ExitCode 0:125",
        "python invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=0",
    ),
    "out-of-memory": (
        "MemoryError",
        "numpy.core._exceptions._ArrayMemoryError: Unable to allocate 74.5 GiB for an array with "
        "shape (100000, 100000) and data type float64",
        "RuntimeError: [enforce fail at alloc_cpu.cpp:117] err == 0. DefaultCPUAllocator: can't "
        "allocate memory: you tried to allocate 400000000000 bytes.",
        "OSError: [Errno 12] Cannot allocate memory",
        "terminate called after throwing an instance of 'std::bad_alloc'",
        "RuntimeError: DataLoader worker (pid 27) is killed by signal: Bus error. It is possible "
        "that dataloader's workers are out of shared memory.",
    ),
    "timeout": (
        "slurmstepd: error: *** JOB 123456 ON node01 CANCELLED AT 2026-11-14T02:48:00 DUE TO TIME "
        "LIMIT ***",
        "E   Failed: Timeout (>10.0s) from pytest-timeout.",
        "Failed: Timeout >30.0s",
        "subprocess.TimeoutExpired: Command '['python', 'x.py']' timed out after 30 seconds",
        "concurrent.futures._base.TimeoutError",
        "JobId=77 JobState=TIMEOUT State=TIMEOUT",
    ),
    "cancelled": (
        "slurmstepd: error: *** STEP 123.0 ON node01 CANCELLED AT 2026-11-14T02:48:00 DUE TO "
        "PREEMPTION ***",
        "slurmstepd: error: *** JOB 99 ON n2 CANCELLED AT 2026-11-14T02:48:00 DUE TO NODE FAILURE",
        "bash: line 1:  4711 Terminated              sleep 100",
    ),
    "gpu-missing": (
        "RuntimeError: No CUDA GPUs are available",
        "RuntimeError: Found no NVIDIA driver on your system. Please check that you have an NVIDIA "
        "GPU and installed a driver from http://www.nvidia.com/Download/index.aspx",
        "RuntimeError: The NVIDIA driver on your system is too old (found version 11040).",
        "Failed to initialize NVML: Driver/library version mismatch",
        "AssertionError: Torch not compiled with CUDA enabled",
        "ImportError: libcudart.so.11.0: cannot open shared object file: No such file or directory",
        "RuntimeError: CUDA error: no kernel image is available for execution on the device",
        "RuntimeError: CUDA error: invalid device ordinal",
        "lightning.fabric.utilities.exceptions.MisconfigurationException: No supported gpu backend "
        "found!",
        "sbatch: error: Invalid generic resource (gres) specification",
    ),
    "gpu-fault": (
        "RuntimeError: CUDA error: device-side assert triggered",
        "RuntimeError: CUDA error: an illegal memory access was encountered",
        "RuntimeError: cuDNN error: CUDNN_STATUS_EXECUTION_FAILED",
        "RuntimeError: CUDA error: uncorrectable ECC error encountered",
        "NVRM: Xid (PCI:0000:3b:00): 79, pid=4711, GPU has fallen off the bus.",
    ),
    "distributed": (
        "torch.distributed.DistBackendError: NCCL error in: ProcessGroupNCCL.cpp:1333, unhandled "
        "system error",
        "[rank0]:[E ProcessGroupNCCL.cpp:563] [Rank 0] Watchdog caught collective operation "
        "timeout: WorkNCCL(SeqNum=9, OpType=ALLREDUCE)",
        "ncclInternalError: Internal check failed.",
        "MPI_ABORT was invoked on rank 3 in communicator MPI_COMM_WORLD",
    ),
    "network-refused": (
        "ConnectionRefusedError: [Errno 111] Connection refused",
        "curl: (6) Could not resolve host: pypi.example.org",
        "fatal: unable to access 'https://git.example.org/x.git/': Could not resolve host",
        "urllib.error.URLError: <urlopen error [Errno -3] Temporary failure in name resolution>",
        "requests.exceptions.SSLError: HTTPSConnectionPool(host='x', port=443): Max retries "
        "exceeded with url: / (Caused by SSLError(SSLCertVerificationError(1, '[SSL: "
        "CERTIFICATE_VERIFY_FAILED] certificate verify failed')))",
        "requests.exceptions.ProxyError: HTTPSConnectionPool: Tunnel connection failed: 403",
        "urllib.error.HTTPError: HTTP Error 503: Service Unavailable",
        "ERROR: HTTP error 404 while getting x.whl\nrequests.exceptions.HTTPError: 404 Client "
        "Error: Not Found for url: https://pypi.example.org/x.whl",
        "WARNING: Retrying (Retry(total=0, connect=None, read=None, redirect=None, status=None)) "
        "after connection broken by 'NewConnectionError(<pip._vendor.urllib3.connection."
        "HTTPSConnection object at 0x7f>: Failed to establish a new connection: [Errno -2] Name or "
        "service not known')': /simple/x/\nERROR: Could not find a version that satisfies the "
        "requirement x (from versions: none)",
        "ssh: connect to host cluster port 22: Connection timed out",
        "OSError: We couldn't connect to 'https://huggingface.co' to load this file",
        "TimeoutError: [Errno 110] Connection timed out",
    ),
    "non-finite-loss": (
        "epoch 7: loss = nan",
        "DivergedError: non-finite prediction at step 12",
        "train_loss=nan.0 lr=0.001",
        "ValueError: Loss is nan, stopping training",
        "RuntimeError: Function 'MulBackward0' returned nan values in its 0th output.",
        "Epoch 3:  40%|####      | 4/10 [00:01<00:02, loss=inf]",
        "ValueError: The gradient norm became inf in layer 3",
        "RuntimeError: Monitored metric train_loss = nan is not finite. Previous best value was 1.",
    ),
    "native-crash": (
        "Aborted (core dumped)",
        "free(): double free or corruption (fasttop)",
        "Fatal Python error: Illegal instruction",
        "malloc(): corrupted top size\nAborted",
        "bash: line 1: 4711 Bus error               (core dumped) ./solve",
    ),
    "segmentation-fault": (
        "Segmentation fault (core dumped)",
        "Fatal Python error: Segmentation fault",
        "srun: error: node01: task 0: Segmentation fault",
        "died with exitcode: -11",
    ),
    "syntax-error": (
        '  File "a.py", line 3\n    def f(:\n          ^\nSyntaxError: invalid syntax',
        "IndentationError: unexpected indent",
        "E   SyntaxError: '(' was never closed",
        "bash: -c: line 3: syntax error near unexpected token `fi'",
    ),
    "import-error": (
        "ModuleNotFoundError: No module named 'lightning'",
        "ImportError: cannot import name 'Trainer' from 'lightning' (/x/__init__.py)",
        "E   ModuleNotFoundError: No module named 'h5py'",
        "/usr/bin/python3.11: No module named pytest",
        "./solve: error while loading shared libraries: libfftw3.so.3: cannot open shared object "
        "file: No such file or directory",
        "ImportError: /lib/x86_64-linux-gnu/libm.so.6: version `GLIBC_2.34' not found",
        "ImportError: libGL.so.1: cannot open shared object file: No such file or directory",
        "OSError: /x/_C.so: undefined symbol: _ZN3c104impl",
    ),
    "cannot-start": (
        "bash: line 1: ./solve: Permission denied",
        "bash: line 1: ./solve: cannot execute binary file: Exec format error",
        "/usr/bin/env: bad interpreter: No such file or directory",
    ),
    "command-not-found": (
        "bash: line 1: pytst: command not found",
        "/bin/sh: 1: nvcc: not found",
        "bash: line 1: exec: solve: not found",
    ),
    "locked": (
        "BlockingIOError: [Errno 11] Unable to synchronously open file (unable to lock file, "
        "errno = 11, error message = 'Resource temporarily unavailable')",
        "sqlite3.OperationalError: database is locked",
        "OSError: [Errno 98] Address already in use",
        "mv: cannot move 'a': Device or resource busy",
    ),
    "too-many-files": (
        "OSError: [Errno 24] Too many open files: 'x.npz'",
        "RuntimeError: received 0 items of ancdata",
        "accept4: Too many open files",
    ),
    "permission": (
        "PermissionError: [Errno 13] Permission denied: '/data/scan.h5'",
        "mkdir: cannot create directory '/data/x': Permission denied",
        "OSError: [Errno 30] Read-only file system: '/data/x'",
        "git@git.example.org: Permission denied (publickey).",
        "tar: ./x: Cannot open: Operation not permitted",
    ),
    "corrupt-file": (
        "zipfile.BadZipFile: File is not a zip file",
        "OSError: Unable to synchronously open file (file signature not found)",
        "RuntimeError: PytorchStreamReader failed reading zip archive: failed finding central "
        "directory",
        "json.decoder.JSONDecodeError: Expecting value: line 1 column 1 (char 0)",
        "_pickle.UnpicklingError: invalid load key, '\\x0a'.",
    ),
    "missing-file": (
        "FileNotFoundError: [Errno 2] No such file or directory: 'scan.npz'",
        "cat: a.npz: No such file or directory",
        "ERROR: file or directory not found: tests/test_gone.py",
        "FileNotFoundError: [Errno 2] Unable to synchronously open file (unable to open file: "
        "name = 'x.h5', errno = 2, error message = 'No such file or directory')",
        "cp: cannot stat 'out/model.pt': No such file or directory",
    ),
    "usage": (
        "train.py: error: unrecognized arguments: --epochz 3",
        "train.py: error: the following arguments are required: --data",
        "Error: No such option: --fsat",
        "train.py: error: argument --mode: invalid choice: 'fas' (choose from 'fast')",
        "TypeError: fit() got an unexpected keyword argument 'epochs'",
    ),
    "no-tests": (
        "============================ no tests ran in 0.01s ============================",
        "ERROR: not found: /x/tests/test_a.py::test_gone\n(no match in any of [<Module t.py>])",
        "collected 0 items",
    ),
    "collection-error": (
        "_______________ ERROR collecting tests/test_a.py _______________",
        "!!!!!!!!!!!!!!!!!!!! Interrupted: 1 error during collection !!!!!!!!!!!!!!!!!!!!",
        "E       fixture 'dataset' not found",
        "INTERNALERROR> Traceback (most recent call last):",
    ),
    "assertion": (
        "E       AssertionError: flat patches",
        "E       assert 1 == 2\nFAILED tests/a.py::test_b - assert 1 == 2",
        "AssertionError: shapes differ",
        "solve: main.c:12: main: Assertion `x > 0' failed.",
        "FAIL: test_scale (tests.test_scale.ScaleTest)",
    ),
}
SAME_CODE = {"cannot-start": 126, "command-not-found": 127}

INNOCENT = (
    "tests/test_memory.py::test_out_of_memory PASSED",
    "tests/test_memory.py::test_cuda_out_of_memory_is_reported PASSED [ 40%]",
    "tests/test_net.py::TestNet::test_connection_refused SKIPPED (no network)",
    "12 passed, 1 skipped in 3.2s",
    "checked 4096 predictions: 0 non-finite",
    "non-finite values: 0",
    "no non-finite gradients in 300 steps",
    "loss: 0.25",
    "final loss information written",
    "loss=0.021 infidelity=0.3",
    "WARNING: ImportError handled: triton is not there, the plain kernel is used",
    "CUDA out of memory with batch 64, retrying with 32",
    "wandb: Network error (ConnectionError), entering retry loop.",
    "Connection refused by cache, falling back to the source",
    "Gradient overflow.  Skipping step, loss scaler 0 reducing loss scale to 32768.0",
    "def test_segmentation_fault_is_named():",
    "memory: 12.5 of 64 GiB used; no out of memory",
    "wrote analysis/segmentation.png",
    "timeout set to 30 s",
    "the disk has 120 GB of free space",
    "Killed process count: 0",
    "    with pytest.raises(FileNotFoundError):",
    "permissions of outputs/ are 0755",
    "never out of memory",
    "0 errors, 0 timeouts",
    "lock acquired",
    "nan_to_num is applied to the mask",
    "assertions enabled",
)


def sign(output: str, exit_code: int = 1) -> Signature:
    return signature(Failure(exit_code, False, output))


@pytest.mark.parametrize(
    ("kind", "output"), [(kind, text) for kind, texts in SAMPLES.items() for text in texts]
)
def test_what_a_tool_prints_has_its_kind(kind: str, output: str) -> None:
    noise = "epoch 1: loss 0.5\nwriting logs\n"
    found = sign(f"{noise}{output}\n", SAME_CODE.get(kind, 1))
    assert found.kind == kind, found.lines


def test_every_detector_has_three_samples_at_least() -> None:
    assert set(SAMPLES) == {item.kind for item in DETECTORS}
    assert all(len(texts) >= 3 for texts in SAMPLES.values())


@pytest.mark.parametrize("line", INNOCENT)
def test_a_false_friend_is_no_cause(line: str) -> None:
    assert sign(f"start\n{line}\nended in an odd way\n", 3).kind == "unknown"


@pytest.mark.parametrize("line", INNOCENT)
def test_a_false_friend_hides_no_cause(line: str) -> None:
    text = f"{line}\nOSError: [Errno 28] No space left on device\n{line}\n"
    assert sign(text).kind == "disk-full"


def test_texts_that_a_test_compares_or_quotes_are_not_what_happened() -> None:
    text = """\
    def test_a_full_disk_is_named(writer):
>       raise_full = OSError("[Errno 28] No space left on device")
        with pytest.raises(ConnectionRefusedError):
            raise PermissionError("Permission denied")
E       AssertionError: assert 'No space left on device' in 'done'
E         - CUDA out of memory
E         + done
FAILED tests/test_a.py::test_a_full_disk_is_named - AssertionError: assert 'No s...
"""
    assert sign(text.replace("raise_full = ", "raise ")).kind == "assertion"


@pytest.mark.parametrize(
    "part", ["A", "Aa.", "E    ", "x: line 1: ", "non-finite ", "1 ", "[rank0]:"]
)
def test_no_line_takes_a_detector_long(part: str) -> None:
    text = "\n".join([part * (2000 // len(part))] * 300)
    start = time.process_time()
    sign(text)
    assert time.process_time() - start < 6


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        *((137, "killed-by-kernel"), (139, "segmentation-fault"), (134, "native-crash")),
        *((124, "timeout"), (127, "command-not-found"), (126, "cannot-start"), (143, "cancelled")),
    ],
)
def test_an_exit_code_alone_tells_how_a_silent_process_ended(code: int, kind: str) -> None:
    found = sign("epoch 3\n", code)
    assert (found.kind, found.lines) == (kind, ("epoch 3",))


CHAIN = """\
Traceback (most recent call last):
  File "a.py", line 1, in <module>
    open("scan.npz")
FileNotFoundError: [Errno 2] No such file or directory: 'scan.npz'

The above exception was the direct cause of the following exception:

Traceback (most recent call last):
  File "a.py", line 4, in <module>
    raise ImportError("the reader could not be loaded") from error
ImportError: the reader could not be loaded
"""
OPTIONAL = """\
Traceback (most recent call last):
  File "a.py", line 1, in <module>
    import fast
ModuleNotFoundError: No module named 'fast'

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "a.py", line 4, in <module>
    open("scan.npz")
FileNotFoundError: [Errno 2] No such file or directory: 'scan.npz'
"""


def test_of_chained_exceptions_the_one_that_began_it_counts() -> None:
    found = sign(CHAIN)
    assert (found.kind, "scan.npz" in found.lines[0]) == ("missing-file", True)


def test_an_import_that_was_tried_and_handled_is_no_cause() -> None:
    assert sign(OPTIONAL).kind == "missing-file"


def test_an_import_error_alone_in_its_chain_is_the_cause() -> None:
    text = OPTIONAL.replace("FileNotFoundError: [Errno 2] No such file or directory", "KeyError")
    assert sign(text).kind == "import-error"


def test_only_the_last_chain_counts() -> None:
    last = CHAIN.replace("FileNotFoundError: [Errno 2] No such", "PermissionError: no such")
    last = last.replace("file or directory: 'scan.npz'", "door")
    assert sign(f"{CHAIN}and so it went on\n{last}").kind == "permission"


def test_what_a_machine_refuses_comes_before_what_exceptions_make_of_it() -> None:
    text = CHAIN.replace(
        "[Errno 2] No such file or directory", "[Errno 28] No space left on device"
    )
    assert sign(text).kind == "disk-full"


def test_an_exception_that_no_detector_knows_is_told_by_its_own_line() -> None:
    text = "step 1\nTraceback (most recent call last):\n  x\nKeyError: 'probe'\nbye\n"
    found = sign(text)
    assert (found.kind, found.lines) == ("exception", ("KeyError: 'probe'",))


def test_a_wrapper_of_another_process_is_not_the_exception_that_is_told() -> None:
    text = (
        "[rank0]: ValueError: sizes differ\n"
        "torch.distributed.elastic.multiprocessing.errors.ChildFailedError: \n"
    )
    assert sign(text).lines == ("[rank0]: ValueError: sizes differ",)


def test_two_ranks_give_one_signature() -> None:
    lines = "[rank{}]: torch.OutOfMemoryError: CUDA out of memory. Tried to allocate {} MiB"
    assert sign(lines.format(0, 20)).digest == sign(lines.format(3, 512)).digest


def test_a_log_of_many_megabytes_is_read_in_time() -> None:
    line = "step 000001 loss 0.1234 lr 0.001 clock 12:03:04 used 12.1 GiB of 79 GiB\n"
    text = line * 100_000 + "ValueError: x\n"
    start = time.process_time()
    assert sign(text).kind == "exception"
    assert time.process_time() - start < 6


def test_a_line_that_a_detector_fits_is_one_that_is_asked() -> None:
    for texts in SAMPLES.values():
        for line in "\n".join(texts).split("\n"):
            if any(d.pattern and d.pattern.search(line) for d in DETECTORS):
                assert is_telling(line), line


def test_every_pattern_stands_on_its_own_and_matches_no_empty_line() -> None:
    for detector in DETECTORS:
        for pattern in (*detector.patterns, *detector.despite):
            assert re.compile(pattern).search("") is None
    assert len(KINDS) == len(set(KINDS))


def test_the_page_about_blockers_has_every_kind_in_order() -> None:
    page = Path(__file__).resolve().parents[3] / "docs/reference/blockers.md"
    rows = re.findall(r"^\| `([\w-]+)` \| ([^|]+) \|", page.read_text("utf-8"), re.MULTILINE)
    assert tuple(kind for kind, _ in rows) == KINDS
    says = {kind: text for kind, text in rows}
    assert {item.kind: item.says for item in DETECTORS}.items() <= says.items()
