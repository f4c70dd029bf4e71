from penchant.events import EventLog as EventLog
from penchant.recommender import Recommender as Recommender
from penchant.serving import Event as Event
from penchant.serving import Live as Live

__version__: str
