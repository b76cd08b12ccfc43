"""Every refusal of the platform: stable code, status, who is at fault, title and remedy in two languages, source.

One registry, so that a code means the same everywhere; `tests/architecture/test_docs.py` keeps docs/codes.md equal to it.
"""

from runtime.errors import BODY_TOO_LARGE as BODY_TOO_LARGE
from runtime.errors import BROKEN as BROKEN
from runtime.errors import INVALID_REQUEST as INVALID_REQUEST
from runtime.errors import METHOD_NOT_SERVED as METHOD_NOT_SERVED
from runtime.errors import NOT_ONE_OF_US as NOT_ONE_OF_US
from runtime.errors import UNKNOWN_PATH as UNKNOWN_PATH
from runtime.errors import Code

# --- what the consumer sent -----------------------------------------------------------------------------------------
TOKEN_MISSING = Code(
    "token/missing",
    401,
    "consumer",
    "No access token",
    "缺少访问令牌",
    "Get a token at /oauth2/token and send it as `Authorization: Bearer …`",
    "请先在 /oauth2/token 获取令牌，并以 Authorization: Bearer … 发送",
    "RFC 6750 section 3",
)
TOKEN_MALFORMED = Code(
    "token/malformed",
    400,
    "consumer",
    "The Authorization header is not one access token",
    "Authorization 头格式不正确",
    "Send exactly one header `Authorization: Bearer <token>`, or `DPoP <token>` where the token is bound to a key",
    "请只发送一个 Authorization: Bearer <令牌>；绑定密钥的令牌请用 Authorization: DPoP <令牌>",
    "RFC 6750 section 3.1",
)
TOKEN_INVALID = Code(
    "token/invalid",
    401,
    "consumer",
    "The access token is not valid",
    "访问令牌无效",
    "Get a new token; tokens live at most 300 seconds",
    "请重新获取令牌，令牌有效期不超过 300 秒",
    "RFC 6750 section 3.1, RFC 9068 section 4",
)
PROOF_INVALID = Code(
    "token/dpop-proof", 401, "consumer", "The proof of possession is not valid", "持有证明无效",
    "Send one new DPoP proof for this method, this address and this token with every request",
    "每次请求请针对该方法、地址和令牌发送一个新的 DPoP 证明", "RFC 9449 section 7",
)  # fmt: skip
PROOF_NONCE = Code(
    "token/dpop-nonce", 401, "consumer", "The proof of possession has to name a nonce of this server", "持有证明须包含服务端随机数",
    "Repeat the request with a proof that has the `nonce` of the DPoP-Nonce header", "请以 DPoP-Nonce 头中的随机数重新生成证明后重试",
    "RFC 9449 section 9",
)  # fmt: skip
NOT_ENCRYPTED = Code(
    "request/not-encrypted", 403, "consumer", "Calls are taken over TLS only", "仅接受 TLS 加密的请求",
    "Send the request to the https address; get a new token, the one that was sent in the clear may be known to others",
    "请改用 https 地址，并重新获取令牌：已明文发送的令牌可能泄露", "OWASP ASVS 4.1.2",
)  # fmt: skip
SCOPE_MISSING = Code(
    "token/insufficient-scope",
    403,
    "consumer",
    "The token lacks the scope that this needs",
    "令牌的授权范围不足",
    "Ask for the scope named in `scope` when you get the token",
    "获取令牌时请申请 scope 中列出的范围",
    "RFC 6750 section 3.1",
)
BAD_PATH = Code(
    "request/bad-path",
    400,
    "consumer",
    "The path has a form that is not allowed",
    "请求路径格式不允许",
    "Send the path as registered, percent-encode each value once",
    "请按登记的路径发送，每个值只做一次百分号编码",
    "RFC 3986 section 3.3",
)
REQUEST_TIMEOUT = Code(
    "request/timeout",
    408,
    "consumer",
    "The body did not arrive in time",
    "请求体未在时限内到达",
    "Send the whole request within 20 seconds",
    "请在 20 秒内发送完整请求",
    "RFC 9110 section 15.5.9",
)
MALFORMED = Code(
    "request/malformed",
    400,
    "consumer",
    "The request is not valid HTTP to its end",
    "请求不是完整有效的 HTTP 报文",
    "Send a well-formed body with one length",
    "请发送格式正确、长度唯一的请求体",
    "RFC 9112",
)
UNEXPECTED_BODY = Code(
    "request/unexpected-body",
    400,
    "consumer",
    "This method carries no body",
    "该请求方法不应携带请求体",
    "Send what you ask in path and query",
    "请通过路径和查询参数传递内容",
    "RFC 9110 section 9.3.1",
)
CLIENT_GONE = Code(
    "request/client-gone",
    400,
    "consumer",
    "The client closed the connection before the end",
    "客户端提前断开连接",
    "Keep the connection open until the answer is whole",
    "请保持连接直至应答完整",
)
UNSUPPORTED_BODY = Code(
    "request/unsupported-media-type",
    415,
    "consumer",
    "This interface takes bodies of another kind",
    "此接口不接受这种类型的请求体",
    "Send one of the media types in `accepts` (application/json where none is named), in UTF-8, no Content-Encoding",
    "请使用 accepts 所列的媒体类型（未列出时为 application/json），编码为 UTF-8，且不要压缩",
)
NOT_MATCHING_SCHEMA = Code(
    "request/schema",
    422,
    "consumer",
    "The request does not match the interface's schema",
    "请求不符合接口的参数约定",
    "Correct the member named in `path`",
    "请修改 path 指出的内容",
)
CASE_MISSING = Code(
    "case/missing",
    403,
    "consumer",
    "This grant asks for the number of the case at hand",
    "该授权要求填写办件编号",
    "Send the case number in `Tongdao-Case`",
    "请在 Tongdao-Case 头中填写办件编号",
    "常德 20, 景德镇 16",
)
CASE_MALFORMED = Code(
    "case/malformed",
    403,
    "consumer",
    "The case number does not have the agreed form",
    "办件编号格式不符合约定",
    "Send a case number that matches `pattern`",
    "请填写符合 pattern 的办件编号",
    "常德 20, 景德镇 16",
)
CONSENT_REQUIRED = Code(
    "consent/required",
    403,
    "consumer",
    "The person concerned has to consent to this look-up",
    "该查询需要当事人授权",
    "Send a consent token issued for this case in `Tongdao-Consent`",
    "请在 Tongdao-Consent 头中提供当事人授权令牌",
    "德清 14",
)

CONSENT_INVALID = Code(
    "consent/invalid",
    403,
    "consumer",
    "The consent token is not valid",
    "当事人授权令牌无效",
    "Send the token exactly as it was issued to the person concerned",
    "请原样发送签发给当事人的授权令牌",
    "德清 14",
)
CONSENT_EXPIRED = Code(
    "consent/expired",
    403,
    "consumer",
    "The consent has expired",
    "当事人授权已过期",
    "Ask the person concerned for a new consent",
    "请重新取得当事人授权",
    "德清 14",
)
CONSENT_REVOKED = Code(
    "consent/revoked",
    403,
    "consumer",
    "The person concerned has taken the consent back",
    "当事人已撤回授权",
    "Ask the person concerned; without a new consent the look-up is not made",
    "请与当事人确认；未重新取得授权不得查询",
    "德清 14, 个人信息保护法 15",
)
CONSENT_USED = Code(
    "consent/used",
    403,
    "consumer",
    "The consent has been used already",
    "当事人授权已被使用",
    "A consent is for one call; ask the person concerned for another",
    "一次授权仅供一次调用，请重新取得授权",
    "德清 14",
)
CONSENT_NOT_FOR_THIS = Code(
    "consent/not-for-this",
    403,
    "consumer",
    "The consent was given for something else",
    "当事人授权与本次查询不符",
    "System, interface, purpose and person have to be those of the consent",
    "系统、接口、用途和当事人须与授权一致",
    "德清 14, 个人信息保护法 14",
)
CLAIMS_MALFORMED = Code(
    "request/claims",
    422,
    "consumer",
    "The claims cannot be held against the answer",
    "待核验的内容不符合要求",
    'Send {"claims": {field: value, …}} with the fields of the grant: all of them to verify, some to compare',
    '请发送 {"claims": {字段: 值}}；核验须给出授权的全部字段，比对可给出部分字段',
    "云南 29",
)
RANGE_NOT_SATISFIABLE = Code(
    "request/range",
    416,
    "consumer",
    "The range lies outside the file",
    "请求的范围超出文件",
    "Ask for a range within the size that `size` tells",
    "请在 size 所示大小之内请求",
    "RFC 9110 section 14.4",
)
KEY_REUSED = Code(
    "idempotency/other-question",
    422,
    "consumer",
    "This Idempotency-Key was used for another question",
    "该 Idempotency-Key 已用于另一请求",
    "Use a new key for a new question",
    "新的请求请使用新的键",
)
KEY_IN_USE = Code(
    "idempotency/in-progress",
    409,
    "consumer",
    "A call with this Idempotency-Key is still under way",
    "使用该 Idempotency-Key 的调用仍在进行",
    "Try again after Retry-After with the same key",
    "请按 Retry-After 等待后以相同的键重试",
)
KEY_WITHOUT_END = Code(
    "idempotency/unknown-outcome",
    409,
    "exchange",
    "The call with this Idempotency-Key may have taken effect; nobody knows how it ended",
    "使用该 Idempotency-Key 的调用可能已经生效，但结果未知",
    "Ask the provider whether it took effect, then use a new key",
    "请向提供方确认是否生效后再使用新的键",
)
# --- what the catalog says about this caller ------------------------------------------------------------------------
UNKNOWN_INTERFACE = Code(
    "interface/unknown",
    404,
    "consumer",
    "There is no such interface or version",
    "接口或版本不存在",
    "Look the interface up in /api/catalog/interfaces",
    "请在目录 /api/catalog/interfaces 中查询",
)
UNKNOWN_OPERATION = Code(
    "interface/unknown-operation",
    404,
    "consumer",
    "The interface has no operation at this path",
    "接口没有该路径的操作",
    "Use one of the paths named in `operations`",
    "请使用 operations 中列出的路径",
)
METHOD_NOT_ALLOWED = Code(
    "interface/method-not-allowed",
    405,
    "consumer",
    "The operation does not take this method",
    "该操作不支持此请求方法",
    "Use a method named in the Allow header",
    "请使用 Allow 头列出的方法",
)
INTERFACE_SUSPENDED = Code(
    "interface/suspended",
    403,
    "provider",
    "The interface is suspended",
    "接口已暂停",
    "Ask the providing department; `since` and `by` say more",
    "请联系数据提供部门，参见 since 与 by",
    "国务院令第809号 27",
)
SYSTEM_UNKNOWN = Code(
    "system/unknown",
    403,
    "consumer",
    "The information system is not registered in the catalog",
    "信息系统未在目录登记",
    "Have your department register the system",
    "请由本部门登记该信息系统",
    "景德镇 7",
)
SYSTEM_SUSPENDED = Code(
    "system/suspended",
    403,
    "consumer",
    "The information system is suspended",
    "信息系统已被暂停",
    "Ask the authority; `since` and `by` say more",
    "请联系主管部门，参见 since 与 by",
    "国务院令第809号 27",
)
DEPARTMENT_SUSPENDED = Code(
    "department/suspended",
    403,
    "consumer",
    "The department is suspended",
    "部门已被暂停",
    "Ask the authority; `since` and `by` say more",
    "请联系主管部门，参见 since 与 by",
    "国务院令第809号 27",
)
GRANT_NONE = Code(
    "grant/none",
    403,
    "consumer",
    "This system holds no grant for this interface",
    "该系统没有此接口的使用授权",
    "Apply for the interface on the platform",
    "请在平台上申请使用该接口",
    "常德 11, 国务院令第809号 20",
)
GRANT_AMBIGUOUS = Code(
    "grant/ambiguous",
    403,
    "consumer",
    "This system holds several grants for this interface",
    "该系统对此接口持有多个授权",
    "Name one of `grants` in `Tongdao-Grant`",
    "请在 Tongdao-Grant 头中指明 grants 之一",
)
GRANT_UNKNOWN = Code(
    "grant/unknown",
    403,
    "consumer",
    "The grant that was named does not cover this call",
    "所指明的授权不适用于此次调用",
    "Name a grant of this system for this interface",
    "请指明本系统对此接口的授权",
)
GRANT_SUSPENDED = Code(
    "grant/suspended",
    403,
    "consumer",
    "The grant is suspended",
    "授权已被暂停",
    "Ask the party named in `by`; `since` says when",
    "请联系 by 指明的一方，参见 since",
    "国务院令第809号 27, 常德 22",
)
GRANT_REVOKED = Code(
    "grant/revoked",
    403,
    "consumer",
    "The grant was taken back",
    "授权已被撤销",
    "Apply again if the need remains",
    "如仍有需要请重新申请",
    "国务院令第809号 27",
)
GRANT_NOT_YET = Code(
    "grant/not-yet",
    403,
    "consumer",
    "The grant is not in force yet",
    "授权尚未生效",
    "Call again from `not_before` on",
    "请在 not_before 之后调用",
)
GRANT_EXPIRED = Code(
    "grant/expired",
    403,
    "consumer",
    "The grant has run out",
    "授权已到期",
    "Apply for a renewal",
    "请申请续期",
)
GRANT_NETWORK = Code(
    "grant/network",
    403,
    "consumer",
    "The call comes from outside the networks of the grant",
    "调用来源不在授权的网络范围内",
    "Call from one of the agreed networks",
    "请从约定的网络发起调用",
)
GRANT_HOURS = Code(
    "grant/hours",
    403,
    "consumer",
    "The call is outside the hours of the grant",
    "调用时间不在授权的时段内",
    "Call within `hours`",
    "请在 hours 规定的时段内调用",
)
GRANT_MODE = Code(
    "grant/mode",
    403,
    "consumer",
    "The grant does not allow to ask in this way",
    "授权不允许以此方式查询",
    "Ask as the grant's `mode` says: verify and compare are asked at /x/{interface}/{version}:verify and :compare",
    "请按授权的 mode 查询：核验与比对的地址为 /x/{接口}/{版本}:verify 与 :compare",
    "云南 29, 国务院令第809号 25",
)
POLICY_STALE = Code(
    "policy/stale",
    503,
    "exchange",
    "The gateway has not heard from the catalog for too long",
    "网关与目录失去联系超过时限",
    "Try again shortly; operators: check the catalog service",
    "请稍后重试；运维人员请检查目录服务",
)

# --- admission ------------------------------------------------------------------------------------------------------
RATE_EXCEEDED = Code(
    "rate/exceeded",
    429,
    "consumer",
    "More calls per second than the grant allows",
    "调用频率超过授权",
    "Wait as long as Retry-After says",
    "请按 Retry-After 等待后重试",
    "RFC 6585 section 4",
)
TOO_MANY_AT_ONCE = Code(
    "rate/too-many-at-once",
    429,
    "consumer",
    "Too many calls of this grant are under way",
    "该授权的并发调用过多",
    "Wait until earlier calls have ended",
    "请等待先前的调用结束",
)
QUOTA_DAY = Code(
    "quota/day", 429, "consumer", "The grant's calls for today are used up", "该授权今日的调用次数已用完",
    "Wait for the next day (Asia/Shanghai), or apply for a larger quota", "请等待次日（北京时间），或申请提高额度",
    "国务院令第809号 20",
)  # fmt: skip
QUOTA_MONTH = Code(
    "quota/month", 429, "consumer", "The grant's calls for this month are used up", "该授权本月的调用次数已用完",
    "Wait for the next month (Asia/Shanghai), or apply for a larger quota", "请等待次月（北京时间），或申请提高额度",
    "国务院令第809号 20",
)  # fmt: skip
QUOTA_UNKNOWN = Code(
    "quota/unknown", 503, "exchange", "How much of the grant is used up cannot be told just now", "暂时无法确认该授权的用量",
    "Try again shortly; operators: check the gateway's database", "请稍后重试；运维人员请检查网关数据库",
)  # fmt: skip
ONE_FILE_AT_A_TIME = Code(
    "rate/one-file-at-a-time", 429, "consumer", "A package or an export of yours is under way, or too many are waiting",
    "本部门已有证据包或导出正在生成，或排队过多", "Wait until it is made; Retry-After says when to ask again",
    "请等待其完成，按 Retry-After 重试",
)  # fmt: skip

# --- the exchange and the provider ----------------------------------------------------------------------------------
AUDIT_UNAVAILABLE = Code(
    "audit/unavailable",
    503,
    "exchange",
    "The call could not be recorded, so it was not made",
    "无法记录此次调用，因此未执行",
    "Try again shortly; operators: check the audit service",
    "请稍后重试；运维人员请检查审计服务",
    "常德 20, 景德镇 16",
)
OUTCOME_UNRECORDED = Code(
    "audit/outcome-unrecorded",
    503,
    "exchange",
    "The answer could not be recorded and is withheld; the call may have taken effect",
    "结果无法记录，已扣留；该调用可能已经生效",
    "Look the record up before you call again",
    "再次调用前请先查询该记录",
    "常德 20, 景德镇 16",
)
SERVICE_UNREACHABLE = Code(
    "exchange/service-unreachable",
    503,
    "exchange",
    "The part of the platform that answers this cannot be reached",
    "平台的相应服务无法访问",
    "Try again shortly; operators: check the services",
    "请稍后重试；运维人员请检查各服务",
)
EXCHANGE_UNREACHABLE = Code(
    "exchange/unreachable",
    502,
    "exchange",
    "The exchange service cannot be reached",
    "交换服务无法访问",
    "Try again shortly; operators: check the exchange service",
    "请稍后重试；运维人员请检查交换服务",
)
EXCHANGE_TIMEOUT = Code(
    "exchange/timeout",
    504,
    "exchange",
    "The exchange service did not answer in time",
    "交换服务未及时应答",
    "Try again; the call may have taken effect",
    "请重试；该调用可能已经生效",
)
EXCHANGE_BEHIND = Code(
    "exchange/behind",
    503,
    "exchange",
    "The exchange has not yet heard what the gateway knows",
    "交换服务尚未取得最新目录",
    "Try again shortly; operators: check the exchange's feed",
    "请稍后重试；运维人员请检查交换服务的变更流",
)
PROVIDER_UNREACHABLE = Code(
    "provider/unreachable",
    502,
    "provider",
    "The provider's system cannot be reached",
    "提供方系统无法访问",
    "Try again later; the providing department can see this too",
    "请稍后重试；提供部门也能看到此故障",
)
PROVIDER_TIMEOUT = Code(
    "provider/timeout",
    504,
    "provider",
    "The provider's system did not answer in time",
    "提供方系统未及时应答",
    "Try again; the call may have taken effect",
    "请重试；该调用可能已经生效",
)
PROVIDER_CUT = Code(
    "provider/unknown-outcome",
    504,
    "provider",
    "The provider took the question and then the connection ended",
    "提供方接收请求后连接中断",
    "The call may have taken effect; ask again only if it may be made twice",
    "该调用可能已经生效，仅可重复的调用才可重试",
)
INTERFACE_MAINTENANCE = Code(
    "interface/maintenance",
    503,
    "provider",
    "The provider is at work on this interface until the time in `until`",
    "提供方正在维护该接口，至 until 所示时间",
    "Try again after Retry-After",
    "请按 Retry-After 等待后重试",
    "国务院令第809号 27",
)
CREDENTIAL_MISSING = Code(
    "provider/credential-missing",
    502,
    "provider",
    "The provider's credential has not been put at the exchange",
    "交换服务没有该提供方的访问凭据",
    "The providing department has to put the credential that the interface names",
    "需由提供部门登记该接口所用的凭据",
)
CREDENTIAL_REFUSED = Code(
    "provider/credential-refused",
    502,
    "provider",
    "The provider does not accept its own credential",
    "提供方拒绝了其登记的访问凭据",
    "The providing department has to renew the credential",
    "需由提供部门更新凭据",
)
TOO_MANY_ROWS = Code(
    "provider/too-many-rows",
    422,
    "consumer",
    "The question finds more rows than one answer may hold",
    "符合条件的记录超过单次应答上限",
    "Narrow the question, or page with limit and offset",
    "请缩小查询范围，或以 limit 与 offset 分页",
)
COMPARE_AMBIGUOUS = Code(
    "compare/ambiguous",
    409,
    "consumer",
    "The question finds several records; a comparison needs one",
    "查询到多条记录，比对仅限一条",
    "Narrow the question to one record",
    "请将查询范围缩小到一条记录",
    "云南 29",
)
GUESSES_EXHAUSTED = Code(
    "verify/too-many-wrong",
    429,
    "consumer",
    "Too many wrong verifications",
    "核验不一致次数过多",
    "Try again after Retry-After; repeated wrong guesses are on record",
    "请按 Retry-After 等待后重试；多次不一致已被记录",
    "云南 29",
)
PROVIDER_BROKEN_ANSWER = Code(
    "provider/broken-answer",
    502,
    "provider",
    "The provider's answer breaks the interface's contract",
    "提供方的应答不符合接口约定",
    "The providing department has to correct its system",
    "需由提供部门修正其系统",
)
PROVIDER_RESTING = Code(
    "provider/resting",
    503,
    "provider",
    "The provider failed repeatedly and is given a pause",
    "提供方连续失败，暂停调用",
    "Try again after Retry-After",
    "请按 Retry-After 等待后重试",
)
PROVIDER_BUSY = Code(
    "provider/busy",
    503,
    "provider",
    "As many calls of this interface are under way as its provider takes",
    "该接口的并发调用已达提供方上限",
    "Try again after Retry-After",
    "请按 Retry-After 等待后重试",
)
INTERFACE_UNUSABLE = Code(
    "interface/unusable",
    502,
    "provider",
    "The interface's contract cannot be used as it was registered",
    "接口登记的约定无法使用",
    "The providing department has to correct the registered schemas",
    "需由提供部门更正登记的参数约定",
)
PROVIDER_FORBIDDEN_ADDRESS = Code(
    "provider/forbidden-address",
    502,
    "provider",
    "The provider's name leads outside its registered networks",
    "提供方地址不在其登记的网络范围内",
    "The providing department has to correct its registration",
    "需由提供部门更正登记信息",
)

# --- catalog and log, asked directly --------------------------------------------------------------------------------
NOT_FOUND = Code(
    "request/not-found",
    404,
    "consumer",
    "There is no such thing",
    "对象不存在",
    "Check the identifier",
    "请检查标识",
)
REGISTRATION_FORBIDDEN = Code(
    "registration/forbidden",
    400,
    "consumer",
    "What is registered leads where nothing may lead",
    "登记的内容指向不允许的位置",
    "Correct the members named in `errors`; each names its rule",
    "按 errors 列出的位置修改，每处均注明规则",
)
CONFLICT = Code(
    "request/conflict",
    409,
    "consumer",
    "This contradicts what is registered",
    "与已登记的内容冲突",
    "Read what is there and decide again",
    "请先查看现有内容",
)
NOT_YOURS = Code(
    "request/not-yours",
    403,
    "consumer",
    "Only those who took part and auditors may see this",
    "仅参与方和审计人员可查看",
    "Ask with a token of a department that took part",
    "请使用参与部门的令牌",
)
NOT_RESPONSIBLE = Code(
    "request/not-responsible",
    403,
    "consumer",
    "Another department is responsible for this",
    "此事项由其他部门负责",
    "Have the department named in `responsible` do it",
    "请由 responsible 指明的部门办理",
    "国务院令第809号 11, 20",
)
NOT_SHARED = Code(
    "resource/not-shared",
    409,
    "consumer",
    "The resource is not shared; at most it can be verified against or compared with",
    "该资源不予共享，只能以核实、比对方式使用",
    "Ask for an interface in verify or compare mode",
    "请申请核实或比对类接口",
    "国务院令第809号 14, 15; 云南 29",
)
FEED_BEHIND = Code(
    "feed/behind",
    409,
    "exchange",
    "The catalog is older than the revision that was asked for",
    "目录版本早于所请求的版本",
    "Take a snapshot: the catalog was restored",
    "请重新获取快照：目录曾被恢复",
)
STALE_EPOCH = Code(
    "audit/stale-epoch",
    409,
    "exchange",
    "This writer's lease has ended",
    "该写入者的租约已失效",
    "Start a new lease",
    "请重新登记租约",
)
BROKEN_FRAME = Code(
    "audit/broken-frame",
    422,
    "exchange",
    "The batch is not framed as it says",
    "批次格式错误",
    "Report it: a writer and the log disagree",
    "请上报：写入者与日志不一致",
)
OTHER_BYTES = Code(
    "audit/other-bytes",
    422,
    "exchange",
    "Other bytes were recorded under this sequence",
    "该序号已记录不同的内容",
    "Report it: a writer repeats a number",
    "请上报：写入者重复使用序号",
)
EXPORT_TOO_LARGE = Code(
    "export/too-large", 422, "consumer", "More rows match than one file may hold", "符合条件的记录超过单个文件的上限",
    "Narrow since and before, or another filter, and fetch several files; `most` is the limit",
    "请缩小 since、before 或其他条件分次导出，上限见 most",
)  # fmt: skip
ARCHIVE_AWAY = Code(
    "archive/away", 503, "exchange", "The archive does not answer", "归档存储暂不可用",
    "Try again shortly; operators: check the object store", "请稍后重试；运维人员请检查对象存储", "景德镇 16",
)  # fmt: skip
DISPOSED = Code(
    "archive/disposed", 410, "consumer", "The record was lawfully deleted after its time", "该记录已依法到期销毁",
    "Only its hashes are left: `disposal` names the decision, `leaf` the entry of the log that tells of it",
    "仅保留其散列；disposal 为处置决定，leaf 为日志中的销毁记载", "网络安全法 23; 国务院令第809号 29",
)  # fmt: skip
TOO_MANY_SUBSCRIPTIONS = Code(
    "feed/too-many-subscriptions",
    409,
    "consumer",
    "The department has as many subscriptions as it may have",
    "该部门的订阅数已达上限",
    "Change or remove one that is there",
    "请修改或删除已有订阅",
)
ALERT_CLOSED = Code(
    "alert/closed",
    409,
    "consumer",
    "The alert has been closed before",
    "该告警已关闭",
    "Look at it: `finding` says what was found",
    "请查看该告警，结论见 finding",
)
DOSSIER_AWAY = Code(
    "evidence/decision-away", 503, "exchange", "The catalog does not answer, and without the decision there is no package",
    "目录服务暂不可用，无法取得授权依据，不出具证据包",
    "Try again shortly; operators: check the catalog service", "请稍后重试；运维人员请检查目录服务", "国务院令第809号 20",
)  # fmt: skip
EVIDENCE_TOO_MUCH = Code(
    "evidence/too-much", 422, "consumer", "That is too much for one package", "超出单个证据包的上限",
    "Ask for less: one call, or a time with `since` and `before`; `limit` says how much", "请缩小范围：按单次调用，或用 since、before 限定时间，上限见 limit",
)  # fmt: skip

# --- procedures of the law ------------------------------------------------------------------------------------------
NOT_IN_THIS_STATE = Code(
    "case/not-in-this-state", 409, "consumer", "That does not follow from the present state", "当前状态下不能办理该事项",
    "See `state` and `possible`; somebody else may have been faster", "请查看 state 与 possible；可能已有他人先行办理",
)  # fmt: skip
NOT_YOUR_STEP = Code(
    "case/not-your-step", 403, "consumer", "Another office decides this step", "此环节由其他角色办理",
    "Have one of `roles` do it; `article` says why", "请由 roles 所列角色办理，依据见 article", "国务院令第809号 13, 16, 20, 21",
)  # fmt: skip
FOUR_EYES = Code(
    "case/four-eyes", 403, "consumer", "Whoever made it does not approve it", "经办人不得审批本人办理的事项",
    "Have another person of the same office do it", "请由同一岗位的其他人员办理", "GB/T 22239-2019 8.1.4.2",
)  # fmt: skip

# --- the law in force, and clocks -----------------------------------------------------------------------------------
PROFILE_NOT_IN_FORCE = Code(
    "policy/not-in-force", 409, "consumer", "By its own words this profile is not in force", "该政策文件未生效或已失效",
    "Simulate it, or activate it with `override` and a reason", "可先模拟；确需启用请说明理由并设置 override",
)  # fmt: skip
NO_CLOCK = Code(
    "clock/not-running", 409, "consumer", "No such time limit is running", "没有正在计时的该项时限",
    "Read the clocks of this case", "请查看该事项的时限", "",
)  # fmt: skip
NOT_EXTENDABLE = Code(
    "clock/not-extendable", 409, "consumer", "The law allows no such extension", "该时限依规定不得如此延长",
    "Decide within `longest`, counted from the start; `article` says why", "请在 longest 规定的期限内办结，依据见 article",
    "国务院令第809号 17, 21; 常德 14; 云南 22",
)  # fmt: skip

# --- sharing: applications, copies, renewals ---------------------------------------------------------------------------
GROUND_NOT_ALLOWED = Code(
    "case/ground-not-allowed", 422, "consumer", "A refusal needs a legal ground of an allowed rank",
    "不予提供须有规定位阶的依据",
    "Name law, article and rank of the ground; `allowed` lists the ranks", "请写明依据的名称、条款和位阶，允许的位阶见 allowed",
    "国务院令第809号 21; 常德 11; 景德镇 10; 德清 12; 云南 29",
)  # fmt: skip
INCOMPLETE_IS_NO_GROUND = Code(
    "case/incomplete-is-no-ground", 409, "consumer", "What is missing is asked for, not refused", "材料不全不得拒绝，应一次性告知",
    "Return the application with the list of what is missing", "请退回并一次性列明需补充的材料", "国务院令第809号 21",
)  # fmt: skip
TOLD_ONCE = Code(
    "case/told-once", 409, "consumer", "What was missing has been said once already", "已一次性告知需补充的材料",
    "Decide on what is there", "请依据现有材料作出答复", "国务院令第809号 21",
)  # fmt: skip
NOT_OVERDUE = Code(
    "case/not-overdue", 409, "consumer", "The provider's time to reply has not run out", "提供部门答复期限尚未届满",
    "Wait for the reply, or for the end of the time limit", "请等待答复或期限届满", "国务院令第809号 21",
)  # fmt: skip
SUBJECT_NOT_ASKED = Code(
    "case/subject-not-asked", 409, "consumer", "Private data leave with the person's consent to each call alone",
    "个人隐私数据须经当事人授权方可提供",
    "Have the provider register the interface with `consent_required`", "请由提供部门将接口登记为须当事人授权", "德清 14",
)  # fmt: skip
COPY_NEEDS_CONSENT = Code(
    "case/copy-needs-consent", 409, "consumer", "Any way but calling the interface needs the authority's consent",
    "服务接口以外的共享方式须经主管部门同意",
    "Open a case `copy_consent` on this application, or ask for `service_api`", "请就该申请提交复制使用审批，或改用服务接口方式",
    "常德 10; 德清 15",
)  # fmt: skip

# --- objections, disputes, suspensions, rectification -----------------------------------------------------------------
UNFIT_PARENT = Code(
    "case/unfit-parent", 409, "consumer", "The case that this one follows is not in a state for it",
    "所依据的事项当前状态不允许", "Wait for its answer; `state` says where it stands", "请待该事项答复后再提出，当前状态见 state",
    "国务院令第809号 21, 28",
)  # fmt: skip
TOO_EARLY = Code(
    "case/too-early", 409, "consumer", "The time that was given, or that things are kept, is not over", "规定的期限尚未届满",
    "Wait until the day named in `until` is over", "请在 until 所示日期届满后办理", "国务院令第809号 27, 29; 景德镇 16, 21; 云南 47",
)  # fmt: skip
NOTHING_REPORTED = Code(
    "case/nothing-reported", 409, "consumer", "Nothing was reported that could be confirmed", "尚无可确认的整改报告",
    "Have the department concerned report first", "请先由相关部门提交整改报告", "国务院令第809号 27; 云南 47",
)  # fmt: skip
NOT_CATALOGUED = Code(
    "case/not-catalogued", 409, "consumer", "The catalog entries that the project has to bring are not there",
    "项目应编制的目录尚未发布", "Publish the entries named in `missing` first", "请先发布 missing 所列目录", "常德 7; 云南 14",
)  # fmt: skip

# --- the directory's life cycles ------------------------------------------------------------------------------------
SECRET_ENTRY = Code(
    "catalog/secret", 422, "consumer", "What is secret is not catalogued here", "涉密数据不得编入本目录",
    "Take the entry through the channel for secret data", "请按涉密数据的规定办理", "国务院令第809号 3; 常德 2; 云南 2; 淄博 2",
)  # fmt: skip
ENTRY_INCOMPLETE = Code(
    "catalog/incomplete", 422, "consumer", "The catalog entry lacks what the law asks for", "目录条目缺少规定的内容",
    "State the members named in `errors`; each says by which article", "请补充 errors 列出的内容，各项均注明依据",
    "国务院令第809号 13; 德清 9; 景德镇 11; 云南 13; 淄博 10",
)  # fmt: skip
NO_LEGAL_GROUND = Code(
    "catalog/no-legal-ground", 422, "consumer", "No legal ground of a rank that will do", "缺少规定层级的法律依据",
    "Name a ground of one of `ranks`, or share unconditionally", "请提供 ranks 所列层级的依据，否则应当无条件共享",
    "国务院令第809号 15; 常德 9; 德清 13; 景德镇 9; 云南 27; 淄博 13",
)  # fmt: skip
ADDED_CONDITION = Code(
    "catalog/added-condition", 422, "consumer", "Unconditional sharing has no condition", "无条件共享不得增设条件",
    "Take the condition out, or state the ground for conditional sharing", "请删除条件，或说明有条件共享的依据", "国务院令第809号 15; 淄博 9",
)  # fmt: skip
ALIKE_PROVIDED = Code(
    "catalog/alike", 409, "consumer", "Other departments already provide this", "其他部门已提供同类数据",
    "Look at `alike`; if yours differs, send it again with duplicates_seen", "请查看 alike；确有不同的，请附 duplicates_seen 重新报送",
    "国务院令第809号 19; 常德 8; 云南 19; 淄博 11",
)  # fmt: skip
NARROWED = Code(
    "catalog/narrowed", 409, "consumer", "The change shares less than before and was not declared so", "变更缩小了共享范围但未作说明",
    "Declare it first (downgrade) with reason and legal ground", "请先办理 downgrade，说明理由和依据", "常德 28; 德清 22",
)  # fmt: skip
NOT_NEGOTIATED = Code(
    "catalog/not-negotiated", 409, "consumer", "Not every subscriber was negotiated with", "尚未与全部使用部门协商",
    "Negotiate with `departments` and name them in `negotiated`", "请与 departments 所列部门协商，并填入 negotiated", "国务院令第809号 27",
)  # fmt: skip
SAMPLE_MISFIT = Code(
    "interface/sample", 422, "provider", "The sample is not what the interface registered", "样例与接口登记的约定不符",
    "Correct the interface or the registration; `errors` names the places", "请修正接口或登记内容，位置见 errors", "景德镇 11",
)  # fmt: skip
ENTRY_NOT_PUBLISHED = Code(
    "interface/entry-not-published", 409, "provider", "The catalog entry of this interface is not published", "接口所属目录条目未发布",
    "Have the entry published first", "请先完成目录条目的发布", "景德镇 11; 国务院令第809号 16",
)  # fmt: skip
BREAKING_CHANGE = Code(
    "interface/breaking-change", 409, "provider", "This would break those who use the interface", "该变更会影响现有使用方",
    "Register it as a new version and deprecate the old one", "请登记为新版本，并对旧版本发出停用通知", "国务院令第809号 27",
)  # fmt: skip
NOTICE_TOO_SHORT = Code(
    "interface/notice-too-short", 422, "provider", "Users get too little time to move", "停用通知期过短",
    "Serve it until `earliest` at least; the number of days is this platform's rule", "至少服务至 earliest；天数为平台规则", "国务院令第809号 27",
)  # fmt: skip
STILL_USED = Code(
    "interface/still-used", 409, "provider", "Departments still use this version", "该版本仍有部门在使用",
    "Wait until the announced day has passed, or until nobody uses it", "请等待公告的停用日期，或待使用方全部停用", "国务院令第809号 27",
)  # fmt: skip

# --- in and out -------------------------------------------------------------------------------------------------------
WORKBOOK_UNREADABLE = Code(
    "interchange/unreadable", 422, "consumer", "The file cannot be read", "文件无法读取",
    "Save it as .xlsx, or start from the template at /directory/excel/template", "请另存为 .xlsx，或使用 /directory/excel/template 的模板",
)  # fmt: skip
SHEET_REFUSED = Code(
    "interchange/sheet-refused", 422, "consumer", "The sheet has mistakes; nothing of it was taken over", "表格存在错误，全部内容均未导入",
    "Correct the cells named in `errors`; `more` says how many are not listed", "请按 errors 所列行列逐一修改；未列出的数量见 more",
    "发改高技〔2017〕1272号",
)  # fmt: skip
TOO_MUCH_AT_ONCE = Code(
    "interchange/too-much", 422, "consumer", "That is too much for one file", "单次数据量过大",
    "Take it in parts, such as department by department; `limit` says how much", "请分部门或分批处理，上限见 limit",
)  # fmt: skip

# --- people -----------------------------------------------------------------------------------------------------------
SIGN_IN_FAILED = Code(
    "person/sign-in-failed", 401, "consumer", "Name, password or code is not right", "用户名、密码或验证码不正确",
    "Try again; whoever lost password or device asks the security administrator for a new link",
    "请重新输入；遗失密码或验证设备的，请联系安全管理员重新发放链接", "GB/T 22239-2019 8.1.4.1",
)  # fmt: skip
TOO_MANY_ATTEMPTS = Code(
    "person/too-many-attempts", 429, "consumer", "Too many attempts from here", "尝试次数过多",
    "Wait a quarter of an hour; nobody else is locked out by this", "请十五分钟后再试；其他人员和其他设备不受影响",
    "GB/T 22239-2019 8.1.4.1",
)  # fmt: skip
SIGN_IN_BUSY = Code(
    "person/sign-in-busy", 503, "exchange", "Too many people sign in at this moment", "当前登录人数过多",
    "Try again in a few seconds", "请几秒后重试",
)  # fmt: skip
LINK_INVALID = Code(
    "person/link-invalid", 404, "consumer", "This link is no longer good, or never was", "链接无效或已失效",
    "Ask the security administrator for a new one", "请联系安全管理员重新发放",
)  # fmt: skip
PASSWORD_WEAK = Code(
    "person/password-weak", 422, "consumer", "This password will not do", "密码不符合要求",
    "Take 12 to 128 characters of three kinds (small, capital, digits, others), without your name, other than the last",
    "请使用12至128个字符，含小写、大写、数字、其他字符中的三类，不含用户名，且不同于上一个密码", "GB/T 22239-2019 8.1.4.1",
)  # fmt: skip
FORM_STALE = Code(
    "person/form-stale", 403, "consumer", "This form was not made for this browser, or is too old", "表单已失效或来源不符",
    "Open the page again and repeat what you entered", "请重新打开页面后再次填写", "OWASP ASVS 3.5.1",
)  # fmt: skip
ROLES_EXCLUDE = Code(
    "person/roles-exclude", 409, "consumer", "System, security and audit administration exclude each other",
    "系统管理、安全管理、审计管理不得由同一人担任", "Give the second role to another person", "请将另一角色授予其他人员",
    "GB/T 22239-2019 8.1.10.2",
)  # fmt: skip
OWN_RIGHTS = Code(
    "person/own-rights", 403, "consumer", "Nobody decides on their own rights", "不得变更本人的权限",
    "Ask another security administrator", "请由其他安全管理员办理", "GB/T 22239-2019 8.1.10.2",
)  # fmt: skip
NOT_LINKED = Code(
    "person/not-linked", 403, "consumer", "The outside account belongs to nobody here, or was not confirmed",
    "外部账号未关联本平台人员，或未通过验证", "Open your invitation and sign in from there once", "请先打开邀请链接并从该页面登录一次",
    "OpenID Connect Core 3.1.3.7",
)  # fmt: skip
AUTHORIZATION_REFUSED = Code(
    "person/authorization-request", 400, "consumer", "The application that sent you here asked in a wrong way",
    "发起登录的应用请求不正确", "Tell its operator; you were not sent back, because the address may be somebody else's",
    "请告知该应用的运维人员；为防止跳转到他人地址，未返回该应用", "RFC 6749 section 4.1.2.1, RFC 9700",
)  # fmt: skip

REGISTRY: dict[str, Code] = {code.name: code for code in list(globals().values()) if isinstance(code, Code)}
"""Every code by name, those of `runtime.errors` among them."""
