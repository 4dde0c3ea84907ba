"""Is my data selector short-sighted? Audits fine-tuning data selectors over many training stages."""

from farsighted.api import audit as audit
from farsighted.api import select as select
from farsighted.config.load import load_config as load_config
from farsighted.core.errors import FarsightedError as FarsightedError
from farsighted.selectors import Scored as Scored
from farsighted.selectors import register as register
from farsighted.signals import Seen as Seen
from farsighted.signals import register_signal as register_signal
