"""The detectors of failures: what the tools of a laboratory print when something stands in the way.

The order decides, cause before consequence: what a machine or a network refuses comes before what
programs make of it, an exception that says what is wrong before a test that saw it. A pattern is
asked of one line at a time. Lines that tell of something handled, passed or counted as none are
never asked (`INNOCENT`), except where a pattern is of words that only a final failure has
(`despite`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property


@dataclass(frozen=True)
class Detector:
    """One kind of failure.

    Attributes:
        kind: Its slug.
        says: What it is, for people.
        patterns: Any of them, looked for in a line.
        despite: As `patterns`, also in lines that otherwise tell of something handled.
        codes: Exit codes that mean it by themselves.
        words: What a finding about it would say.
        raised: It is told by an exception: of several, the one that caused the others counts.
    """

    kind: str
    says: str
    patterns: tuple[str, ...] = ()
    despite: tuple[str, ...] = ()
    codes: tuple[int, ...] = ()
    words: tuple[str, ...] = ()
    raised: bool = False

    @cached_property
    def pattern(self) -> re.Pattern[str] | None:
        """All patterns as one."""
        return _joined((*self.patterns, *self.despite))

    @cached_property
    def loud(self) -> re.Pattern[str] | None:
        """Those that hold in any line."""
        return _joined(self.despite)


def _joined(patterns: tuple[str, ...]) -> re.Pattern[str] | None:
    return re.compile("|".join(f"(?:{item})" for item in patterns)) if patterns else None


# Before an exception: pytest's `E   `, a rank's prefix, the bar of an exception group.
_AT = r"^(?:E {1,9}|\[rank\d+\]: ?|\[\d+\]\[rank\d+\]: ?| *\| ?)?(?:[\w.]+\.)?"

INNOCENT = re.compile(
    r"\b(?:PASSED|SKIPPED|XFAIL(?:ED)?|XPASS(?:ED)?)\b|"
    r"\b(?:passed|skipped|deselected)\b.* in \d|"
    r"(?i:\b(?:retry(?:ing)?|re-?tried|fall(?:ing|s)? ?back|fallback|handled|recovered|"
    r"skipping|ignor(?:ed|ing)|suppressed|tolerated|will continue|continuing|harmless|"
    r"not fatal|non-fatal|as expected|expected failure)\b)|"
    # Source that a traceback or pytest quotes: what it would raise is not what was raised.
    r"^(?:>| {2}) *(?:raise|except|with|def|class|return|if|elif|assert|match=|#|//)"
    r"|^\s*(?:#|//|def |class |with pytest\.raises)"
)

# What a test compared: texts in it were expected, or seen, by the test.
COMPARED = re.compile(r"^(?:E +(?:AssertionError: )?assert |AssertionError: assert |E +[-+?] )")

# One of these, in lower case, stands in every line that a detector fits: most lines are asked
# nothing else.
_TELLING = (
    "error exce fail fault kill memory oom space quota disk cuda gpu nccl mpi orte driver nvml "
    "nvidia backend denied refused resolv resolution unreach route time cancel terminat abort "
    "dump signal exit code sig cannot can't could such found permit module undefined lock busy "
    "unavail many read-only does nan inf finite diverge illegal instruction corrupt truncat "
    "check invalid unexpected unrecog option argument collect tests deselected fixture assert "
    "xid ecc network ssl tls certificate proxy connect http offline ancdata syntax glibc alloc "
    "exhaust watchdog preempt node_fail eno edquot eacces emfile eaddr smashing interpreter "
    "format gres generic remote zip gzip hdf5 service nodename getaddr aligned launch "
    "rendezvous gloo override writing authoriz forbidden free("
)
TELLING = tuple(_TELLING.split())

_SLURM_OOM = (
    r"\boom[-_ ]kill(?:er|ed)?\b",
    r"\bOOMKilled\b",
    r"\bOUT_OF_MEMORY\b",
    r"task \d+.*: Out Of Memory",
    r"(?:cgroup )?out-of-memory handler",
    r"[Oo]ut of memory: Kill(?:ed)? process",
    r"[Ee]xceeded (?:job|step|its|the) memory(?: limit)?",
)

DETECTORS = (
    Detector(
        "disk-full",
        "no room, or a quota is used up",
        (
            r"No space left on device|\bENOSPC\b|\[Errno 28\]|\berrno = 28\b",
            r"[Dd]isk quota exceeded|\bEDQUOT\b|\[Errno 122\]",
            r"[Qq]uota exceeded for|over (?:disk )?quota",
            r"database or disk is full|not enough (?:free )?(?:disk )?space|[Dd]isk is full",
            r"PytorchStreamWriter failed writing",
        ),
        words=("disk", "quota", "space"),
    ),
    Detector(
        "cuda-out-of-memory",
        "the memory of the GPU is used up",
        (
            r"(?:CUDA|HIP|MPS backend|XPU) out of memory|CUDA error: out of memory",
            _AT + r"(?:cuda\.)?OutOfMemoryError: (?:CUDA|HIP|Out of memory allocating)",
            r"torch(?:\.cuda)?\.OutOfMemoryError",
            r"CU(?:BLAS|DNN|SOLVER|FFT)_(?:STATUS_)?ALLOC_FAILED|cudaErrorMemoryAllocation",
            r"RESOURCE_EXHAUSTED: (?:Out of memory|OOM)|OOM when allocating tensor",
        ),
        words=("cuda", "gpu memory", "out of memory", "oom", "batch size"),
    ),
    Detector(
        "killed-by-kernel",
        "the kernel, or a batch system for it, ended a process that took too much memory",
        (
            r"^(?:.*: line \d+: +\d+ )?Killed(?: {2,}| *$| *\()",
            r"[Mm]emory cgroup out of memory|invoked oom-killer",
            *_SLURM_OOM,
            r"worker \(pid\(?s?\)? [\d, ]+\) is killed by signal: Killed",
            r"(?:Signals?\.SIGKILL|[Ss]ignal 9|exitcode: -9|exit code:? -9|died with <Signals)\b",
        ),
        codes=(137,),
        words=("memory", "killed", "oom"),
    ),
    Detector(
        "out-of-memory",
        "the memory of the machine is used up",
        (
            _AT + r"_?(?:Array)?MemoryError\b",
            r"[Cc]an(?:no|')t allocate memory|[Uu]nable to allocate [\d.]+ [KMGTP]i?B",
            r"bad_alloc|\[Errno 12\]|\bENOMEM\b|virtual memory exhausted",
            r"java\.lang\.OutOfMemoryError|heap out of memory|runtime: out of memory",
            r"out of shared memory|insufficient shared memory \(shm\)",
        ),
        words=("memory", "ram", "shm"),
    ),
    Detector(
        "timeout",
        "a time limit ended it",
        (
            r"DUE TO TIME LIMIT|JOB (?:REACHED|EXCEEDED) TIME ?LIMIT",
            r"State(?:=|: )TIMEOUT\b|\bTIMEOUT\b.*\b0:0\b",
            r"Failed: Timeout (?:>|\(>)|^\++ Timeout \++$|from pytest-timeout",
            r"subprocess\.TimeoutExpired|timed out after [\d.]+ ?s(?:econds)?",
            _AT + r"(?:futures\._base\.|exceptions\.)?TimeoutError(?::? *$|: (?!\[Errno))",
        ),
        codes=(124,),
        words=("timeout", "time limit", "walltime"),
    ),
    Detector(
        "cancelled",
        "a batch system or a person ended the job",
        (
            r"DUE TO (?:PREEMPTION|NODE FAILURE|JOB REQUEUE)|\bNODE_FAIL\b|\bPREEMPTED\b",
            r"(?:JOB|STEP) \S+ ON \S+ CANCELLED|CANCELLED by \d+|Job cancelled|scancel",
            r"^(?:.*: line \d+: +\d+ )?Terminated\b",
        ),
        codes=(143,),
        words=("preempt", "cancel", "requeue"),
    ),
    Detector(
        "gpu-missing",
        "no GPU, or its driver does not fit",
        (
            r"No CUDA GPUs are available|Found no NVIDIA driver|no CUDA-capable device",
            r"NVIDIA driver on your system is too old|driver version is insufficient",
            r"NVIDIA-SMI has failed|Driver/library version mismatch|NVML: (?:Driver|Unknown)",
            r"not compiled with CUDA enabled|no kernel image is available",
            r"invalid device ordinal|CUDA unknown error|CUDA initialization: CUDA",
            r"lib(?:cuda|cudart|cudnn|cublas|nvrtc)[\w-]*\.so[\w.]*: cannot open shared",
            r"No supported gpu backend found|CUDAAccelerator` can ?not run",
            r"Unable to initialize backend '(?:cuda|gpu|rocm)'",
            r"CUDA is not available|Attempting to deserialize object on a CUDA device",
            r"\bInvalid (?:generic resource|gres)\b|GPU is not available",
        ),
        words=("cuda", "driver", "gpu"),
    ),
    Detector(
        "gpu-fault",
        "the GPU, or a kernel on it, failed",
        (
            r"device-side assert triggered|illegal memory access|unspecified launch failure",
            r"(?:CUDNN|CUBLAS|CUFFT|CUSPARSE)_(?:STATUS_)?(?:EXECUTION|INTERNAL|NOT_INIT|EXEC)\w*",
            r"[Uu]ncorrectable ECC|fallen off the bus|\bXid\b.*\(PCI|misaligned address",
            r"CUDA error: (?:an|the|unknown|launch|misaligned)|CUDA kernel errors might be async",
        ),
        words=("cuda", "kernel", "gpu"),
    ),
    Detector(
        "distributed",
        "processes of one run lost each other",
        (
            r"NCCL (?:error|WARN.*(?:failed|error))|\bnccl(?:Internal|System|Unhandled|Remote)\w+",
            r"DistBackendError|[Ww]atchdog caught collective operation timeout",
            r"ProcessGroup(?:NCCL|Gloo|MPI)\b.*(?:[Tt]imeout|terminat|abort)",
            r"MPI_ABORT was invoked|PMIX ERROR|ORTE has lost communication",
            r"RendezvousTimeoutError|RendezvousConnectionError|gloo/transport",
        ),
        words=("nccl", "distributed", "ddp", "mpi"),
    ),
    Detector(
        "network-refused",
        "a host, a name, a certificate or a proxy",
        (
            r"[Cc]onnection refused|ConnectionRefusedError|\bECONNREFUSED\b",
            r"Name or service not known|[Nn]ame resolution|[Cc]ould ?n[o']t resolve|"
            r"unable to resolve|getaddrinfo (?:failed|ENOTFOUND)|nodename nor servname",
            r"Network is unreachable|No route to host|[Cc]onnection timed out|"
            r"[Cc]onnection reset by peer|Remote end closed connection|[Rr]ead timed out",
            r"CERTIFICATE_VERIFY_FAILED|certificate (?:verify failed|has expired)|SSLError|"
            r"SSL: [A-Z_]{6,}|self[- ]signed certificate|TLS handshake",
            r"ProxyError|Tunnel connection failed|Proxy Authentication Required|HTTP 407",
            r"HTTP Error [45]\d\d|\b[45]\d\d (?:Client|Server) Error|returned error: [45]\d\d",
            r"[Mm]ax retries exceeded with url|Failed to establish a new connection",
            r"[Cc]ouldn't connect to|[Cc]ould not connect to|Failed to connect to|"
            r"unable to access 'https?:|OfflineModeIsEnabled|Network error",
            r"[Cc]ould not read from remote repository",
        ),
        despite=(r"Retrying \(Retry\(total=0\b.*(?:[Cc]onnection|SSL|Proxy|HTTP)",),
        words=("network", "proxy", "offline", "certificate", "download", "mirror"),
    ),
    Detector(
        "non-finite-loss",
        "a loss, a gradient or a prediction is not finite",
        (
            r"(?i:\bnon-?finite\b(?!(?:\s+\w+){0,2}\s*[:=]\s*(?:0|none|false|\[\]|no)(?:\b|$)))",
            r"(?i:(?:\b|_)(?:loss|losses|grad(?:ient)?s?(?:[ _]norm)?|nll|objective|elbo)\b"
            r".{0,40}?(?:[ =:(]|\bis |\bbecame )-?(?:nan|inf(?:inity|inite)?)\b)",
            r"returned nan values in its|is not finite\b|contains? (?:NaN|nan|Inf|infinit)",
            r"FloatingPointError|[Ll]oss (?:has )?diverged|DivergedError",
        ),
        words=("non-finite", "nan", "diverge", "overflow"),
        codes=(),
    ),
    Detector(
        "native-crash",
        "a process died of an error in native code",
        (
            r"Aborted \(core dumped\)|Fatal Python error: (?:Aborted|Bus|Illegal)",
            r"Illegal instruction|Bus error|Floating point exception|SIG(?:ABRT|BUS|ILL|FPE)\b",
            r"terminate called|double free or corruption|malloc\(\): |stack smashing detected",
        ),
        codes=(132, 134, 135, 136),
        words=("abort", "crash"),
    ),
    Detector(
        "segmentation-fault",
        "a process read or wrote where it may not",
        (r"Segmentation fault|SIGSEGV|[Ss]ignal 11\b|exit(?:code| code)?:? -11\b",),
        codes=(139,),
        words=("segmentation", "segfault"),
    ),
    Detector(
        "syntax-error",
        "a file is no program",
        (_AT + r"(?:SyntaxError|IndentationError|TabError)\b", r"bash: .*syntax error near"),
        words=("syntax",),
        raised=True,
    ),
    Detector(
        "import-error",
        "a module or a library is not there, or does not fit",
        (
            _AT + r"(?:ModuleNotFoundError|ImportError)(?=:|$)",
            r"(?:^|[/:])\S*python[\d.]*: No module named ",
            r"error while loading shared libraries|undefined symbol: |DLL load failed",
            r"DistributionNotFound: |PackageNotFoundError: |GLIBC\w*_[\d.]+' not found",
        ),
        words=("import", "module", "package", "dependency"),
        raised=True,
    ),
    Detector(
        "cannot-start",
        "a command is there and cannot be executed",
        (
            r"^(?:/bin/)?(?:ba)?sh: (?:line )?\d*:? ?.*: (?:Permission denied|Is a directory)$",
            r"cannot execute(?: binary file|: required file)|Exec format error|bad interpreter",
        ),
        codes=(126,),
        words=("execut",),
    ),
    Detector(
        "command-not-found",
        "a command is not installed, or not on the path",
        (r"command not found|exec: .*: not found|^(?:/bin/)?sh: (?:line )?\d+: .*: not found$",),
        codes=(127,),
        words=("install", "path"),
    ),
    Detector(
        "locked",
        "somebody else holds a file, a port or a device",
        (
            r"[Uu]nable to lock file|database is locked|[Cc]ould not (?:acquire|obtain) .*lock",
            r"[Aa]ddress already in use|\bEADDRINUSE\b|[Dd]evice or resource busy|Text file busy",
            r"Resource temporarily unavailable|LockTimeout|Timeout: The file lock",
        ),
        words=("lock", "busy", "port"),
    ),
    Detector(
        "too-many-files",
        "a limit of open files or processes",
        (r"Too many open files|\[Errno 24\]|\bEMFILE\b|received 0 items of ancdata",),
        words=("ulimit", "open files"),
    ),
    Detector(
        "permission",
        "not allowed",
        (
            r"PermissionError|[Pp]ermission denied|\[Errno 13\]|\bEACCES\b",
            r"Operation not permitted|Read-only file system|\[Errno (?:1|30)\]",
            r"[Aa]ccess (?:is )?denied|401 Unauthorized|Authentication failed|403 Forbidden",
        ),
        words=("permission", "access", "credential"),
        raised=True,
    ),
    Detector(
        "corrupt-file",
        "a file is there and cannot be read as what it should be",
        (
            r"BadZipFile|file signature not found|truncated file|PytorchStreamReader failed",
            _AT + r"(?:UnpicklingError|JSONDecodeError|BadGzipFile|EOFError)\b",
            r"[Cc]hecksum (?:mismatch|does not match)|invalid (?:HDF5|header|magic number)",
            r"not a(?:n)? (?:HDF5|gzip|zip|ZIP) file|unexpected end of (?:file|data)|CRC check",
        ),
        words=("corrupt", "truncat", "checksum"),
        raised=True,
    ),
    Detector(
        "missing-file",
        "a file or folder is not there",
        (
            r"FileNotFoundError|No such file or directory|\[Errno 2\]|\berrno = 2\b|\bENOENT\b",
            r"file or directory not found: |[Cc]annot stat |does not exist\b.*\.\w{1,5}\b",
            r"\.\w{1,5}['\"`]? (?:does not exist|not found)\b",
        ),
        words=("missing", "not found", "path"),
        raised=True,
    ),
    Detector(
        "usage",
        "a command was called with words it does not know",
        (
            r"error: (?:unrecognized arguments|the following arguments are required|argument )",
            r"[Nn]o such option|[Uu]nrecognized option|[Ii]nvalid choice:|[Mm]issing option",
            r"ConfigAttributeError|Could not override|unexpected keyword argument",
        ),
        words=("flag", "option", "argument"),
    ),
    Detector(
        "no-tests",
        "the selector means no test",
        (
            r"no tests ran\b|collected 0 items|^ERROR: not found: |\(no match in any of",
            r"no tests collected|[1-9]\d* deselected.*\b0 selected",
        ),
        words=("selector", "collect"),
    ),
    Detector(
        "collection-error",
        "pytest could not load the tests, or set one up",
        (
            r"ERROR collecting |errors? during collection|^INTERNALERROR>",
            r"fixture '[^']*' not found|ImportMismatchError|^ERROR \S+\.py(?:::\S+)?(?: - |$)",
        ),
        words=("collect", "fixture"),
    ),
    Detector(
        "assertion",
        "a test or an assertion did not hold",
        (
            _AT + r"AssertionError\b",
            r"^E +assert |^FAILED |^E +Failed: DID NOT RAISE|^(?:FAIL|ERROR): test",
            r"Assertion [`'].*' failed|\bassertion failed\b",
        ),
        words=("assert", "test"),
        raised=True,
    ),
)
"""Every detector, cause before consequence."""

KINDS = (*(item.kind for item in DETECTORS), "exception", "check", "by-hand", "dwell", "unknown")
"""Every kind of signature that there is."""
