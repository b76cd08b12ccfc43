"""What notices say, in two languages. Pure. A word that is not here says only itself.

Braces are filled with the notice's facts; a fact that is missing leaves nothing. States and time limits are called by
their labels, `{title}` is what the procedure is called. Where there is a fact NAME_zh, it stands for NAME in Chinese.
"""

from collections.abc import Mapping

from catalog_service.machine import Machine

Text = tuple[str, str]
"""Chinese, English."""

_CASES: dict[str, Text] = {
    "application": ("{requester} 对 {interface} 的共享申请", "Application of {requester} for {interface},"),
    "copy_consent": ("{requester} 复制使用 {interface} 的审批", "Consent to copying {interface} for {requester},"),
    "renewal": ("{requester} 对 {interface} 的授权续期", "Renewal for {requester} on {interface},"),
    "objection": ("资源 {resource} 的共享属性异议", "Objection to entry {resource},"),
    "dispute": ("{requester} 与 {provider} 的共享争议", "Dispute between {requester} and {provider},"),
    "suspension": ("{requester} 的权限暂停", "Suspension of a permission of {requester},"),
    "rectification": ("{provider} 的整改", "Rectification by {provider},"),
    "emergency": ("突发事件数据", "Emergency data,"),
    "incident": ("数据安全事件", "Security incident,"),
    "project_gate": ("项目数据关口", "Data gate of a project,"),
    "officer_change": ("{requester} 数据专员变更", "Change of officer at {requester},"),
    "vendor_account": ("服务商账号", "Account of a vendor,"),
    "asset": ("数据资产登记", "Data asset,"),
    "drill": ("安全测评与演练", "Security test or drill,"),
    "log_disposal": ("日志处置", "Disposal of logs,"),
}  # fmt: skip
"""What a case is called in its notices."""

WORDS: dict[str, Text] = {
    "clock.warning": (
        "{key} 的时限已用 {stage}，截止 {due}（{cite}）",
        "{stage} of the time for {key} is used up; it ends {due} ({cite})",
    ),
    "clock.overdue": (
        "督办：{key} 已超期，应于 {due} 前办结（{cite}），责任部门 {responsible}",
        "Overdue: {key} was due {due} ({cite}); {responsible} is responsible",
    ),
    "clock.passed": (
        "{key} 已过原则性时限 {due}（{cite}），不计违规，请尽快办结",
        "{key} was to be done by {due} in principle ({cite}); no rule is broken, please finish soon",
    ),
    "clock.extended": (
        "{key} 的时限由 {before} 延长至 {due}：{reason}（{cite}）",
        "The time for {key} is extended from {before} to {due}: {reason} ({cite})",
    ),
    "clock.recomputed": (
        "放假安排更新后，{key} 的截止日由 {before} 变为 {due}；超期以 {latest} 为准",
        "By the new holidays {key} is due {due} instead of {before}; it is overdue only after {latest}",
    ),
    "policy.expiring": (
        "{title} 将于 {expires} 失效，剩余 {days} 天，请确认接续文件",
        "{title} expires on {expires}, in {days} days; settle what follows it",
    ),
    "policy.expired": (
        "{title} 已于 {expires} 失效，请启用接续文件",
        "{title} expired on {expires}; put what follows it in force",
    ),
    "calendar.missing": (
        "{year} 年放假安排尚未导入，跨年时限均为预计，请导入",
        "The holidays of {year} are not imported; time limits that reach into it are provisional",
    ),
    "client.key_expiring": (
        "系统 {client} 的密钥 {kid} 将于 {ends} 失效，剩余不足 {days} 天，请登记新密钥后停用旧密钥",
        "Key {kid} of {client} ends {ends}, in {days} days or less; register a new one, then take the old one away",
    ),
    "webhook.dead": (
        "推送 {webhook} 多次失败：{error}；消息仍在收件箱，可重新推送",
        "Webhook {webhook} keeps failing: {error}; the notices stay in the inbox and can be sent again",
    ),
    "demand.": (
        "数据需求 {number}：现为“{state}”（{article}）{reason}",
        "Demand {number}: {event}, now {state} ({article}) {reason}",
    ),
    "correction.": (
        "资源 {resource} 的疑义校核 {number}：现为“{state}”（{article}）{reason}",
        "Check {number} of entry {resource}: {event}, now {state} ({article}) {reason}",
    ),
    "correction.spread": (
        "{provider} 更正了资源 {resource} 的 {item}（{number}），请核对已获取的数据",
        "{provider} corrected {item} of entry {resource} ({number}); check the data that you obtained",
    ),
    "subject_rights.": (
        "数据主体权益申请 {number}：现为“{state}”（{article}）{reason}",
        "Request of the person concerned {number}: {event}, now {state} ({article}) {reason}",
    ),
    "complaint.": (
        "投诉举报 {number}：现为“{state}” {reason}{note}",
        "Complaint {number}: {event}, now {state} {reason}{note}",
    ),
    "filing.": (
        "目录条目 {name}（{resource}）：现为“{state}”（{article}）{reason}",
        "Catalog entry {name} ({resource}): {event}, now {state} ({article}) {reason}",
    ),
    "filing.downgrade": (
        "{provider} 拟缩小 {name}（{resource}）的共享范围（{flags}）：{reason}；依据 {basis}；备案号 {filing_no}",
        "{provider} will share less of {name} ({resource}, {flags}): {reason}; ground {basis}; filed as {filing_no}",
    ),
    "interface.": (
        "接口 {name}（{interface}）：现为“{stage}”（{article}）{reason}",
        "Interface {name} ({interface}): {event}, now {stage} ({article}) {reason}",
    ),
    "interface.deprecate": (
        "接口 {interface} 将于 {until} 后停用，请改用 {successor}（{article}）：{reason}；不兼容变更：{breaking}",
        "Interface {interface} ends after {until}; move to {successor} ({article}): {reason}; breaking: {breaking}",
    ),
    "interface.maintenance": (
        "接口 {name}（{interface}）维护时间：{windows}，届时调用将被拒绝",
        "Maintenance of interface {name} ({interface}): {windows}; calls are refused then",
    ),
    "interface.maintenance_cancelled": (
        "接口 {name}（{interface}）的维护安排已取消",
        "The maintenance of interface {name} ({interface}) is called off",
    ),
    "interface.drifted": (
        "接口 {name}（{interface}）的应答与登记不符，共 {count} 处：{places}",
        "Answers of interface {name} ({interface}) differ from what is registered (places: {count}): {places}",
    ),
    **{
        f"{kind}.": (
            f"{zh} {{number}}：现为“{{state}}”（{{article}}）{{reason}}",
            f"{en} {{number}}: {{event}}, now {{state}} ({{article}}) {{reason}}",
        )
        for kind, (zh, en) in _CASES.items()
    },
    "suspension.suspend": (
        "{requester} 的共享权限已暂停（{number}，{article}），请查明并整改",
        "A permission of {requester} is suspended ({number}, {article}); look into it and put it right",
    ),
    "suspension.terminate": (
        "{requester} 的共享权限已终止（{number}，{article}）：{reason}",
        "A permission of {requester} has ended ({number}, {article}): {reason}",
    ),
    "application.refusal_reported": (
        "{provider} 不予共享 {interface}（{number}，景德镇 10）：{reason}",
        "{provider} does not share {interface} ({number}, 景德镇 10): {reason}",
    ),
    "grant.ending": (
        "{system} 调用 {interface} 的授权将于 {ends} 到期，剩余不足 {days} 天，需要时请申请续期",
        "The grant of {system} on {interface} ends {ends}, in {days} days or less; apply for a renewal if it is needed",
    ),
    "case.": (
        "{title} {number}：现为“{state}”（{article}）{reason}",
        "{title} {number}: {event}, now {state} ({article}) {reason}",
    ),
}  # fmt: skip
"""A word that ends in a dot stands for every word that begins with it and has no text of its own; "case.", "filing." …
also for whatever else is about such a thing."""

LIMITS: dict[str, Text] = {
    "catalog.update_on_change": ("目录变更更新", "updating the entry"),
    "catalog.authority_review": ("目录审核", "review of the entry"),
    "share.unconditional.reply": ("无条件共享申请的答复", "reply to an unconditional application"),
    "share.unconditional.provide": ("无条件共享数据的提供", "providing unconditional data"),
    "share.conditional.reply": ("有条件共享申请的答复", "reply to a conditional application"),
    "share.conditional.provide": ("有条件共享数据的提供", "providing conditional data"),
    "demand.reply": ("数据需求的答复", "reply to a demand"),
    "demand.fulfil": ("数据需求的满足", "meeting a demand"),
    "correction.by_requester": ("使用部门疑义的校核", "check raised by a user department"),
    "correction.by_subject": ("当事人疑义的校核", "check raised by the person concerned"),
    "correction.authority_forward": ("疑义的转交", "forwarding a check"),
    "open.reply": ("开放申请的答复", "reply to an application for open data"),
    "ordered_check": ("主管部门责令的校核", "check ordered by the authority"),
    "rectification": ("整改", "rectification"),
    "contract": ("服务合同", "the vendor's contract"),
    "drill": ("测评与演练", "the yearly test"),
    "complaint.accept": ("投诉举报的受理", "accepting a complaint"),
    "complaint.resolve": ("投诉举报的办结", "resolving a complaint"),
    "subject_rights.answer": ("数据主体权益申请的答复", "answer to the person concerned"),
}
"""What time limits are called."""


_LABELLED = ("state", "stage", "key")


class _Facts(dict[str, str]):
    def __missing__(self, _name: str) -> str:
        return ""


def rendered(word: str, facts: Mapping[str, str], about: str = "", machine: Machine | None = None) -> dict[str, str]:
    """The text of a notice by language. about: kind of its subject; machine: the table of the procedure it is of."""
    kind = word.partition(".")[0] + "."
    found = WORDS.get(word) or WORDS.get(kind) or WORDS.get(f"{about}.")
    if found is None:
        return {"zh": word, "en": word}
    labels = {**LIMITS, **(machine.labels if machine else {})}
    title = machine.title if machine else ("", "")
    return {
        language: found[n].format_map(
            _Facts({"event": word.removeprefix(kind), "title": title[n], **_labelled(facts, labels, n)})
        )
        for n, language in enumerate(("zh", "en"))
    }


def _labelled(facts: Mapping[str, str], labels: Mapping[str, Text], n: int) -> dict[str, str]:
    if n == 0:
        facts = {name: facts.get(f"{name}_zh", value) for name, value in facts.items()}
    return {name: labels[value][n] if name in _LABELLED and value in labels else value for name, value in facts.items()}
