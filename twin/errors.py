"""Errors a user can see: a typed family, each with a code, one clear line and a mend, in two languages.

The texts stand here and nowhere else. `BatchtwinError("E102", name="hzs18", near="hzs180")` renders one
line; the command line prints it and leaves with `exit_code`.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

TEXTS: dict[str, tuple[str, str]] = {
    "E101": ("{where}: {problem}; {mend}", "{where}：{problem}；{mend}"),
    "E102": ("no {kind} named '{name}'{near}", "没有名为“{name}”的{kind}{near}"),
    "E103": ("{path}: cannot be read ({problem}); give a readable file", "{path}：无法读取（{problem}）；请给出可读的文件"),
    "E104": ("{path} is a folder; give a file", "{path} 是文件夹；请给出文件"),
    "E105": ("{path}: not a mapping; a {kind} file is 'field: value' lines", "{path}：不是映射；{kind}文件应为“字段: 值”"),
    "E201": ("{path} is no run: {problem}", "{path} 不是运行记录：{problem}"),
    "E202": ("{path} holds something already; choose another --out or remove it", "{path} 已有内容；请另选 --out 或先删除"),
    "E203": ("cannot write {path}: {problem}; free space or choose another --out", "无法写入 {path}：{problem}；请腾出空间或另选 --out"),
    "E204": ("{path} is not judged: {problem}; {mend}", "{path} 不予判定：{zh}；{mend_zh}"),
    "E301": ("no tag '{name}'{near}", "没有标签“{name}”{near}"),
    "E302": ("tag {name} is a {direction}; {who} may not write it", "标签 {name} 属于 {direction}；{who} 不得写入"),
    "E303": ("fault {fault} does not apply to {target}; it applies to {kinds}", "故障 {fault} 不适用于 {target}；适用于 {kinds}"),
    "E304": ("alarm {name} is {state} already; nothing to do", "报警 {name} 已是 {state} 状态；无需操作"),
    "E305": ("{what}: not in this state ({state}); {mend}", "{what}：当前状态（{state}）不允许；{mend}"),
    "E401": ("{problem}; {mend}", "{problem}；{mend}"),
    "E501": ("{where}: there is no field '{name}'{near}", "{where}：没有字段“{name}”{near}"),
    "E502": ("{runs} runs, about {time}; say --yes to play them, or ask for fewer", "共 {runs} 次运行，约需 {time}；加 --yes 确认执行，或减少次数"),
    "E503": ("no scheduler at {address} ({problem}); start one with 'dask scheduler', or leave --scheduler out", "{address} 没有调度器（{problem}）；请用“dask scheduler”启动，或不使用 --scheduler"),
    "E504": ("worker {worker} has batchtwin {theirs}, this is {ours}; install the same version there", "工作节点 {worker} 的 batchtwin 版本为 {theirs}，本机为 {ours}；请安装相同版本"),
    "E505": ("{path} is no sweep: {problem}", "{path} 不是扫描结果：{problem}"),
    "E506": ("{what} needs {package}; install it with: pip install 'batchtwin[{extra}]'", "{what} 需要 {package}；请执行：pip install 'batchtwin[{extra}]'"),
    "E507": ("{path} belongs to another sweep (its {what} differs); choose another --out or remove it", "{path} 属于另一个扫描（{what} 不同）；请另选 --out 或先删除"),
}  # fmt: skip

KINDS_ZH = {"province": "省份规格", "policy": "政策", "change": "改动", "design": "设计", "scenario": "场景", "design or scenario": "设计或场景", "fault": "故障", "place": "地点", "machine": "设备", "table": "数据表", "list": "清单", "benchmark": "基准测试",
            "recipe book": "配合比文件", "recipe": "配合比", "case": "验收用例", "measure": "指标", "factor": "因素", "sweep": "扫描", "rule book": "条款手册", "declared facts": "声明事实", "file of declared facts": "声明事实文件", "line": "生产线", "role": "角色", "user": "用户", "material": "物料", "design, scenario, fault, tag or machine": "设计、场景、故障、标签或设备"}  # fmt: skip
NEAR = re.compile(r"; did you mean '(.*)'\?")


class BatchtwinError(Exception):
    """Something the user can mend. `code` names the text, `fields` fill it in.

    Attributes:
        code: key of `TEXTS`.
        exit_code: what the command line leaves with (2: wrong input).
    """

    exit_code = 2

    def __init__(self, code: str, **fields: object) -> None:
        self.code = code
        self.fields = fields
        super().__init__(self.text("en"))

    def text(self, language: str = "en") -> str:
        """The one-line message in `en` or `zh`."""
        en, zh = TEXTS[self.code]
        if language != "zh":
            return en.format(**self.fields)
        kind, near = str(self.fields.get("kind", "")), str(self.fields.get("near", ""))
        return zh.format(**self.fields | {"kind": KINDS_ZH.get(kind, kind), "near": NEAR.sub(r"；您是否要用“\1”？", near)})


class BadInput(BatchtwinError):
    """Several mistakes found in one file; each is one line."""

    def __init__(self, mistakes: list[BatchtwinError]) -> None:
        self.mistakes = mistakes
        super().__init__(mistakes[0].code, **mistakes[0].fields)

    def text(self, language: str = "en") -> str:
        return "\n".join(m.text(language) for m in getattr(self, "mistakes", []))


def nearest(name: str, known: Iterable[str]) -> str:
    """', did you mean X?' for the closest known name, or '' when nothing is close."""
    known = list(known)
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    if not close:
        folded = {k.casefold(): k for k in known}
        close = [folded[c] for c in difflib.get_close_matches(name.casefold(), folded, n=1, cutoff=0.5)]
    return f"; did you mean '{close[0]}'?" if close else ""


def unknown(kind: str, name: str, known: Iterable[str]) -> BatchtwinError:
    """The error for a name that is not in `known`, with the nearest one suggested."""
    return BatchtwinError("E102", kind=kind, name=name, near=nearest(name, known))
